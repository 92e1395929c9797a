import { apply1 } from '../apply.ts';
import { fillBits as fillOnCpu } from '../cpu/fill.ts';
import type { Device } from '../device.ts';
import { bitsOf, type DType } from '../dtype.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { checkShape, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { fillBits } from '../webgpu/fill.ts';

/** A constant in every element. */
export const fillOp: Op<{ shape: Shape; value: number; dtype: DType }> = {
  name: 'fill',
  infer(_, { shape, dtype }) {
    checkShape('fill', shape);
    return [{ shape, dtype }];
  },
  reference: (_, { shape, value, dtype }) => [ndarrayOf(shape, () => value, dtype)],
  kernels: {
    cpu: (run, { outputs: [y], params: { value, dtype } }) =>
      fillOnCpu(run, y!, bitsOf(value, dtype)),
    webgpu: (run, { outputs: [y], params: { value, dtype } }) =>
      fillBits(run, y!, bitsOf(value, dtype)),
  },
  sample(random) {
    const rank = random.integer(0, 6);
    const dtype = random.pick(['f32', 'i32', 'u32'] as const);
    const value = {
      f32: random.pick([0, -0, Infinity, -Infinity, NaN, 1.5, -3e38]),
      i32: random.pick([0, -1, 2 ** 31 - 1, -(2 ** 31)]),
      u32: random.pick([0, 1, 2 ** 32 - 1]),
    }[dtype];
    const shape = random.shape(rank, [1, 257, 257, 17, 8, 5, 4][rank]);
    return { inputs: [], params: { shape, value, dtype } };
  },
};

/** A tensor with `value` in every element. */
export function fill(shape: Shape, value: number, dtype: DType = 'f32', device?: Device): Tensor {
  return apply1(fillOp, [], { shape, value, dtype }, device);
}

/** A tensor of zeros. */
export function zeros(shape: Shape, dtype: DType = 'f32', device?: Device): Tensor {
  return fill(shape, 0, dtype, device);
}

/** A tensor of ones. */
export function ones(shape: Shape, dtype: DType = 'f32', device?: Device): Tensor {
  return fill(shape, 1, dtype, device);
}
