import type { DType } from './dtype.ts';
import type { TensorSpec } from './op.ts';

/** The type in which a formula computes: integers when all inputs share an integer type, else f32. */
export function computeType(inputs: readonly Pick<TensorSpec, 'dtype'>[]): DType {
  const first = inputs[0]?.dtype ?? 'f32';
  return inputs.every(({ dtype }) => dtype === first) ? first : 'f32';
}
