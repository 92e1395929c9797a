import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { IndexedAxis } from '../indexed-axis.ts';
import type { Op } from '../op.ts';
import { ndarray, ndarrayOf, type NdArray } from '../reference.ts';
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
import { aroundAxis, withLength } from './axis.ts';
import { checkIndices, gatherKernels, missingValue, scatterAddKernels } from './index-kernels.ts';
import { sampleArray } from './sample-array.ts';

/** One index for each element of the result. */
export const takeAlongAxisOp: Op<{ axis: number; missing: number }> = {
  name: 'takeAlongAxis',
  differentiable: [0],
  infer([x, indices], { axis }) {
    checkIndices('takeAlongAxis', indices!);
    normalizeAxis('takeAlongAxis', axis, x!.shape.length);
    const fits = withLength(indices!.shape, axis, x!.shape[axis]!);
    if (!sameShape(fits, x!.shape)) {
      throw new ShapeError(
        `takeAlongAxis: indices ${formatShape(indices!.shape)} and x ${formatShape(x!.shape)} ` +
          `must have equal lengths on all axes but ${axis}`,
      );
    }
    return [{ shape: indices!.shape, dtype: x!.dtype }];
  },
  reference([x, indices], { axis, missing }) {
    const value = (element: number) => {
      const source = coordinatesOf(element, indices!.shape);
      source[axis] = indices!.data[element]!;
      const inside = source[axis]! >= 0 && source[axis]! < x!.shape[axis]!;
      return inside ? x!.data[indexOf(source, x!.shape)]! : missing;
    };
    return [ndarrayOf(indices!.shape, value, x!.dtype)];
  },
  kernels: gatherKernels(indexedAxis),
  vjp({ inputs: [x, indices], params: { axis }, gradients: [gradient] }) {
    if (!gradient) return [null, null];
    return [scatterAddAlongAxis(gradient, indices!, axis, x!.shape[axis]!), null];
  },
  sample(random) {
    const x = sampleArray(random, random.integer(1, 5));
    const axis = random.integer(0, x.shape.length - 1);
    return { inputs: [x, sampleIndices(random, x.shape, axis)], params: { axis, missing: 0 } };
  },
};

/** Adds each value at the position its index names. */
export const scatterAddAlongAxisOp: Op<{ axis: number; length: number }> = {
  name: 'scatterAddAlongAxis',
  differentiable: [0],
  infer([values, indices], { axis, length }) {
    checkIndices('scatterAddAlongAxis', indices!);
    checkShape('scatterAddAlongAxis', [length]);
    normalizeAxis('scatterAddAlongAxis', axis, values!.shape.length);
    if (!sameShape(values!.shape, indices!.shape)) {
      throw new ShapeError(
        `scatterAddAlongAxis: values ${formatShape(values!.shape)} and indices ` +
          `${formatShape(indices!.shape)} must have equal shapes`,
      );
    }
    return [{ shape: withLength(values!.shape, axis, length), dtype: values!.dtype }];
  },
  reference([values, indices], { axis, length }) {
    const shape = withLength(values!.shape, axis, length);
    const data = new Float64Array(sizeOf(shape));
    values!.data.forEach((value, element) => {
      const target = coordinatesOf(element, values!.shape);
      target[axis] = indices!.data[element]!;
      const inside = target[axis]! >= 0 && target[axis]! < length;
      if (inside) data[indexOf(target, shape)]! += value;
    });
    return [ndarray(shape, data, values!.dtype)];
  },
  kernels: scatterAddKernels(indexedAxis),
  vjp({ inputs: [, indices], params: { axis }, gradients: [gradient] }) {
    return [gradient ? takeAlongAxis(gradient, indices!, axis, 0) : null, null];
  },
  sample(random) {
    const shape = random.shape(random.integer(1, 3), 33);
    const axis = random.integer(0, shape.length - 1);
    const indices = sampleIndices(random, shape, axis);
    return {
      inputs: [random.normals(indices.shape), indices],
      params: { axis, length: shape[axis]! },
      tolerance: { absolute: 1e-4 },
    };
  },
};

function indexedAxis(shape: Shape, axis: number, indices: { shape: Shape }): IndexedAxis {
  return { ...aroundAxis(shape, axis), count: indices.shape[axis]!, perElement: true };
}

function sampleIndices(random: SampleRandom, shape: Shape, axis: number): NdArray {
  // One past either end: such an index reads `missing` and adds nothing.
  return random.integers(withLength(shape, axis, random.length(17)), -1, shape[axis]!);
}

/**
 * result[..., j, ...] = x[..., indices[..., j, ...], ...]: one index for each element of the result.
 * @param indices i32, of x's shape but for `axis`
 * @param missing what an index outside of the axis reads, with no gradient: by default NaN (0 in integer tensors)
 */
export function takeAlongAxis(
  x: Tensor,
  indices: Tensor,
  axis: number,
  missing = missingValue(x.dtype),
): Tensor {
  const along = normalizeAxis('takeAlongAxis', axis, x.rank);
  return apply1(takeAlongAxisOp, [x, indices], { axis: along, missing });
}

/**
 * The reverse of `takeAlongAxis`: adds each value at the position of `axis` that its index names, always
 * in the same order. Indices outside [0, length) are left out.
 * @param indices i32, of the values' shape
 * @param length of the result's axis
 */
export function scatterAddAlongAxis(
  values: Tensor,
  indices: Tensor,
  axis: number,
  length: number,
): Tensor {
  const along = normalizeAxis('scatterAddAlongAxis', axis, values.rank);
  return apply1(scatterAddAlongAxisOp, [values, indices], { axis: along, length });
}
