import type { DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { map } from './map.ts';

/** The values as another element type; f32 to an integer drops the fraction. Gradients flow between f32 only. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : map('x', { x }, { dtype });
}
