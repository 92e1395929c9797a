import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { Op, TensorSpec } from '../op.ts';
import { ndarray } from '../reference.ts';
import { formatShape, normalizeAxis, ShapeError, sizeOf } from '../shape.ts';
import type { StridedCopy } from '../strided-copy.ts';
import type { Tensor } from '../tensor.ts';
import { aroundAxis, withLength } from './axis.ts';
import { copyKernels } from './copy-kernels.ts';
import { reshape } from './reshape.ts';
import { sampleArray } from './sample-array.ts';
import { slice } from './slice.ts';

/** Joins tensors along one axis. */
export const concatOp: Op<{ axis: number }> = {
  name: 'concat',
  infer(inputs, { axis }) {
    normalizeAxis('concat', axis, inputs[0]!.shape.length);
    return [{ shape: joinedShape(inputs, axis), dtype: inputs[0]!.dtype }];
  },
  reference(inputs, { axis }) {
    const shape = joinedShape(inputs, axis);
    const data = new Float64Array(sizeOf(shape));
    let start = 0;
    for (const input of inputs) {
      input.data.forEach((value, index) => {
        const target = coordinatesOf(index, input.shape);
        target[axis]! += start;
        data[indexOf(target, shape)] = value;
      });
      start += input.shape[axis]!;
    }
    return [ndarray(shape, data, inputs[0]!.dtype)];
  },
  kernels: copyKernels(({ inputs, outputs: [y], params: { axis } }) => {
    const { outer, length: whole, inner } = aroundAxis(y!.shape, axis);
    const copies: StridedCopy[] = [];
    let start = 0;
    for (const input of inputs) {
      const length = input.shape[axis]! * inner;
      copies.push({
        lengths: [outer, length],
        from: input,
        fromStrides: [length, 1],
        to: y!,
        toOffset: start,
        toStrides: [whole * inner, 1],
      });
      start += length;
    }
    return copies;
  }),
  vjp({ inputs, params: { axis }, gradients: [gradient], needed }) {
    let end = 0;
    return inputs.map(({ shape }, i) => {
      const start = end;
      end += shape[axis]!;
      return gradient && needed[i] ? slice(gradient, { axis, start, end }) : null;
    });
  },
  sample(random) {
    const first = sampleArray(random, random.integer(1, 6));
    const axis = random.integer(0, first.shape.length - 1);
    const others = Array.from({ length: random.integer(0, 3) }, () => {
      const shape = withLength(first.shape, axis, random.integer(0, 9));
      return random.integers(shape, 0, 999, first.dtype);
    });
    return { inputs: [first, ...others], params: { axis } };
  },
};

/** @throws ShapeError when lengths off the axis, or dtypes, differ */
function joinedShape(inputs: readonly TensorSpec[], axis: number): number[] {
  const first = inputs[0]!;
  const fits = ({ shape, dtype }: TensorSpec) =>
    dtype === first.dtype &&
    shape.length === first.shape.length &&
    shape.every((length, k) => k === axis || length === first.shape[k]);
  if (!inputs.every(fits)) {
    const all = inputs.map(({ shape, dtype }) => `${dtype} ${formatShape(shape)}`).join(', ');
    throw new ShapeError(
      `concat: ${all} do not join along axis ${axis}: dtype and all other axes must be equal`,
    );
  }
  const total = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  return withLength(first.shape, axis, total);
}

/**
 * Joins tensors along an existing axis, which may count from the back.
 * @throws ShapeError when their dtypes or other axes differ
 */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  if (xs.length === 0) throw new ShapeError('concat: needs at least one tensor');
  return apply1(concatOp, xs, { axis: normalizeAxis('concat', axis, xs[0]!.rank) });
}

/** Joins tensors of one shape along a new axis: n tensors of shape [a, b] at axis 1 give [a, n, b]. */
export function stack(xs: readonly Tensor[], axis: number): Tensor {
  if (xs.length === 0) throw new ShapeError('stack: needs at least one tensor');
  const at = normalizeAxis('stack', axis, xs[0]!.rank + 1);
  return concat(
    xs.map((x) => reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])),
    at,
  );
}
