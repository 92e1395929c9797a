import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { formatShape, normalizeAxis, ShapeError, stridesOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { copyKernels } from './copy-kernels.ts';
import { sampleArray } from './sample-array.ts';

/** Output axis k is input axis `axes[k]`. */
export const permuteOp: Op<{ axes: readonly number[] }> = {
  name: 'permute',
  infer([x], { axes }) {
    const { shape, dtype } = x!;
    const sorted = [...axes].sort((a, b) => a - b);
    if (axes.length !== shape.length || sorted.some((axis, k) => axis !== k)) {
      throw new ShapeError(
        `permute: axes ${formatShape(axes)} must name each of the ${shape.length} axes of shape ` +
          `${formatShape(shape)} once`,
      );
    }
    return [{ shape: axes.map((axis) => shape[axis]!), dtype }];
  },
  reference([x], { axes }) {
    const shape = axes.map((axis) => x!.shape[axis]!);
    const value = (index: number) => {
      const source = new Array<number>(axes.length);
      coordinatesOf(index, shape).forEach((c, k) => (source[axes[k]!] = c));
      return x!.data[indexOf(source, x!.shape)]!;
    };
    return [ndarrayOf(shape, value, x!.dtype)];
  },
  kernels: copyKernels(({ inputs: [x], outputs: [y], params: { axes } }) => {
    const strides = stridesOf(x!.shape);
    return [
      {
        lengths: y!.shape,
        from: x!,
        fromStrides: axes.map((axis) => strides[axis]!),
        to: y!,
        toStrides: stridesOf(y!.shape),
      },
    ];
  }),
  vjp({ params: { axes }, gradients: [gradient] }) {
    if (!gradient) return [null];
    const inverse = new Array<number>(axes.length);
    axes.forEach((axis, k) => (inverse[axis] = k));
    return [permute(gradient, inverse)];
  },
  sample(random) {
    const rank = random.integer(0, 6);
    const axes = Array.from({ length: rank }, (_, axis) => axis);
    for (let k = rank - 1; k > 0; k--) {
      const other = random.integer(0, k);
      [axes[k], axes[other]] = [axes[other]!, axes[k]!];
    }
    return { inputs: [sampleArray(random, rank)], params: { axes } };
  },
};

/**
 * Reorders axes: output axis k is input axis `axes[k]`, which may count from the back.
 * @throws ShapeError unless `axes` names each axis once
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const normalized = axes.map((axis) => normalizeAxis('permute', axis, x.rank));
  return apply1(permuteOp, [x], { axes: normalized });
}

/** Swaps the last two axes. @throws ShapeError below rank 2 */
export function transpose(x: Tensor): Tensor {
  const { rank } = x;
  if (rank < 2) {
    throw new ShapeError(`transpose: shape ${formatShape(x.shape)} has fewer than two axes`);
  }
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  [axes[rank - 2], axes[rank - 1]] = [rank - 1, rank - 2];
  return permute(x, axes);
}
