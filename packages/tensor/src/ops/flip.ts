import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { normalizeAxis, stridesOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { aroundAxis } from './axis.ts';
import { copyKernels } from './copy-kernels.ts';
import { sampleArray } from './sample-array.ts';

/** Reverses the order along one axis. */
export const flipOp: Op<{ axis: number }> = {
  name: 'flip',
  infer([x], { axis }) {
    normalizeAxis('flip', axis, x!.shape.length);
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  reference([x], { axis }) {
    const { shape, data, dtype } = x!;
    const value = (index: number) => {
      const source = coordinatesOf(index, shape);
      source[axis] = shape[axis]! - 1 - source[axis]!;
      return data[indexOf(source, shape)]!;
    };
    return [ndarrayOf(shape, value, dtype)];
  },
  kernels: copyKernels(({ inputs: [x], outputs: [y], params: { axis } }) => {
    // Three axes: outside, reversed, inside.
    const { outer, length, inner } = aroundAxis(x!.shape, axis);
    const lengths = [outer, length, inner];
    return [
      {
        lengths,
        from: x!,
        fromOffset: (length - 1) * inner,
        fromStrides: [length * inner, -inner, 1],
        to: y!,
        toStrides: stridesOf(lengths),
      },
    ];
  }),
  vjp: ({ params: { axis }, gradients: [gradient] }) => [gradient ? flip(gradient, axis) : null],
  sample(random) {
    const x = sampleArray(random, random.integer(1, 6));
    return { inputs: [x], params: { axis: random.integer(0, x.shape.length - 1) } };
  },
};

/** Reverses the order along one axis, which may count from the back. */
export function flip(x: Tensor, axis: number): Tensor {
  return apply1(flipOp, [x], { axis: normalizeAxis('flip', axis, x.rank) });
}
