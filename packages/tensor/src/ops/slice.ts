import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { formatShape, normalizeAxis, ShapeError, stridesOf, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { withLength } from './axis.ts';
import { copyKernels } from './copy-kernels.ts';
import { pad } from './pad.ts';
import { sampleArray } from './sample-array.ts';

/** The block of the given shape that begins at `starts`. */
export const sliceOp: Op<{ starts: readonly number[]; shape: Shape }> = {
  name: 'slice',
  infer([x], { starts, shape }) {
    const fits = x!.shape.every(
      (length, axis) =>
        Number.isInteger(starts[axis]) &&
        Number.isInteger(shape[axis]) &&
        starts[axis]! >= 0 &&
        shape[axis]! >= 0 &&
        starts[axis]! + shape[axis]! <= length,
    );
    if (!fits || starts.length !== x!.shape.length || shape.length !== x!.shape.length) {
      const end = shape.map((length, axis) => (starts[axis] ?? 0) + length);
      throw new ShapeError(
        `slice: from ${formatShape(starts)} to ${formatShape(end)} is not inside shape ` +
          `${formatShape(x!.shape)}; needs 0 ≤ start ≤ end ≤ length on each axis`,
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  reference([x], { starts, shape }) {
    const value = (index: number) => {
      const source = coordinatesOf(index, shape).map((c, axis) => starts[axis]! + c);
      return x!.data[indexOf(source, x!.shape)]!;
    };
    return [ndarrayOf(shape, value, x!.dtype)];
  },
  kernels: copyKernels(({ inputs: [x], outputs: [y], params: { starts, shape } }) => {
    return [
      {
        lengths: shape,
        from: x!,
        fromOffset: indexOf(starts, x!.shape),
        fromStrides: stridesOf(x!.shape),
        to: y!,
        toStrides: stridesOf(shape),
      },
    ];
  }),
  vjp({ inputs: [x], params: { starts, shape }, gradients: [gradient] }) {
    if (!gradient) return [null];
    const around = shape.map((length, axis) => {
      const before = starts[axis]!;
      return [before, x!.shape[axis]! - before - length] as const;
    });
    return [pad(gradient, around)];
  },
  sample(random) {
    const x = sampleArray(random, random.integer(0, 6));
    const starts = x.shape.map((length) =>
      random.uniform() < 0.5 ? 0 : random.integer(0, Math.max(0, length - 1)),
    );
    const shape = x.shape.map((length, axis) => {
      const rest = length - starts[axis]!;
      return random.uniform() < 0.5 ? rest : random.integer(Math.min(1, rest), rest);
    });
    return { inputs: [x], params: { starts, shape } };
  },
};

/** The block of `shape` that begins at `starts`, one start per axis. */
export function sliceBlock(x: Tensor, starts: readonly number[], shape: Shape): Tensor {
  return apply1(sliceOp, [x], { starts, shape });
}

/**
 * Positions start … end − 1 of one axis. Axis, start and end may count from the back.
 * @param options start defaults to 0, end to the axis' length
 * @throws ShapeError unless 0 ≤ start ≤ end ≤ length
 */
export function slice(
  x: Tensor,
  { axis, start = 0, end }: { axis: number; start?: number; end?: number },
): Tensor {
  const along = normalizeAxis('slice', axis, x.rank);
  const length = x.shape[along]!;
  const first = start < 0 ? start + length : start;
  const past = end === undefined ? length : end < 0 ? end + length : end;
  const starts = x.shape.map((_, k) => (k === along ? first : 0));
  return sliceBlock(x, starts, withLength(x.shape, along, past - first));
}
