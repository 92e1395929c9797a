import { apply1 } from '../apply.ts';
import type { IndexedAxis } from '../indexed-axis.ts';
import type { Op } from '../op.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import {
  checkShape,
  formatShape,
  normalizeAxis,
  sameShape,
  ShapeError,
  sizeOf,
  type Shape,
} from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { aroundAxis } from './axis.ts';
import { checkIndices, gatherKernels, missingValue, scatterAddKernels } from './index-kernels.ts';
import { sampleArray } from './sample-array.ts';

/** Takes positions of one axis by index. */
export const gatherOp: Op<{ axis: number; missing: number }> = {
  name: 'gather',
  differentiable: [0],
  infer([x, indices], { axis }) {
    checkIndices('gather', indices!);
    normalizeAxis('gather', axis, x!.shape.length);
    return [{ shape: replaceAxis(x!.shape, axis, 1, indices!.shape), dtype: x!.dtype }];
  },
  reference([x, indices], { axis, missing }) {
    const shape = replaceAxis(x!.shape, axis, 1, indices!.shape);
    const { outer, length, inner, count } = indexedAxis(x!.shape, axis, indices!);
    const data = new Float64Array(sizeOf(shape));
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < count; j++) {
        const index = indices!.data[j]!;
        for (let i = 0; i < inner; i++) {
          const value = x!.data[(o * length + index) * inner + i]!;
          const inside = index >= 0 && index < length;
          data[(o * count + j) * inner + i] = inside ? value : missing;
        }
      }
    }
    return [ndarray(shape, data, x!.dtype)];
  },
  kernels: gatherKernels(indexedAxis),
  vjp({ inputs: [x, indices], params: { axis }, gradients: [gradient] }) {
    return [gradient ? scatterAdd(gradient, indices!, axis, x!.shape[axis]!) : null, null];
  },
  sample(random) {
    const x = sampleArray(random, random.integer(1, 4));
    const axis = random.integer(0, x.shape.length - 1);
    return { inputs: [x, sampleIndices(random, x.shape[axis]!)], params: { axis, missing: 0 } };
  },
};

/** Adds values into positions of one axis by index; positions that no index names are 0. */
export const scatterAddOp: Op<{ axis: number; length: number }> = {
  name: 'scatterAdd',
  differentiable: [0],
  infer([values, indices], { axis, length }) {
    checkIndices('scatterAdd', indices!);
    checkShape('scatterAdd', [length]);
    const taken = values!.shape.slice(axis, axis + indices!.shape.length);
    if (axis < 0 || !sameShape(taken, indices!.shape)) {
      throw new ShapeError(
        `scatterAdd: values ${formatShape(values!.shape)} do not have the axes of indices ` +
          `${formatShape(indices!.shape)} from axis ${axis} on`,
      );
    }
    const shape = replaceAxis(values!.shape, axis, indices!.shape.length, [length]);
    return [{ shape, dtype: values!.dtype }];
  },
  reference([values, indices], { axis, length }) {
    const shape = replaceAxis(values!.shape, axis, indices!.shape.length, [length]);
    const { outer, inner, count } = indexedAxis(shape, axis, indices!);
    const data = new Float64Array(sizeOf(shape));
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < count; j++) {
        const index = indices!.data[j]!;
        if (index < 0 || index >= length) continue;
        for (let i = 0; i < inner; i++) {
          data[(o * length + index) * inner + i]! += values!.data[(o * count + j) * inner + i]!;
        }
      }
    }
    return [ndarray(shape, data, values!.dtype)];
  },
  kernels: scatterAddKernels(indexedAxis),
  vjp({ inputs: [, indices], params: { axis }, gradients: [gradient] }) {
    return [gradient ? gather(gradient, indices!, axis, 0) : null, null];
  },
  sample(random) {
    const shape = random.shape(random.integer(1, 3), 17);
    const axis = random.integer(0, shape.length - 1);
    const indices = sampleIndices(random, shape[axis]!);
    const values = random.normals(replaceAxis(shape, axis, 1, indices.shape));
    return {
      inputs: [values, indices],
      params: { axis, length: shape[axis]! },
      tolerance: { absolute: 1e-4 },
    };
  },
};

/** `shape` with `count` axes from `axis` on replaced. */
function replaceAxis(shape: Shape, axis: number, count: number, by: Shape): number[] {
  return [...shape.slice(0, axis), ...by, ...shape.slice(axis + count)];
}

function indexedAxis(shape: Shape, axis: number, indices: { shape: Shape }): IndexedAxis {
  return { ...aroundAxis(shape, axis), count: sizeOf(indices.shape), perElement: false };
}

function sampleIndices(random: SampleRandom, length: number): NdArray {
  // One past either end: such an index reads `missing` and adds nothing.
  return random.integers(random.shape(random.integer(0, 2), 65), -1, length);
}

/**
 * Takes positions of `axis` by index: x [..., L, ...] and indices [...n] give [..., ...n, ...].
 * @param indices i32, of any rank
 * @param missing what an index outside [0, L) reads, with no gradient: by default NaN (0 in integer tensors)
 */
export function gather(
  x: Tensor,
  indices: Tensor,
  axis: number,
  missing = missingValue(x.dtype),
): Tensor {
  return apply1(gatherOp, [x, indices], { axis: normalizeAxis('gather', axis, x.rank), missing });
}

/**
 * The reverse of `gather`: result[..., index, ...] is the sum of the values with that index, always added
 * in the same order. Indices outside [0, length) are left out.
 * @param values [..., ...n, ...] with the axes of `indices` [...n] from `axis` on
 * @param length of the result's axis
 */
export function scatterAdd(values: Tensor, indices: Tensor, axis: number, length: number): Tensor {
  return apply1(scatterAddOp, [values, indices], { axis, length });
}
