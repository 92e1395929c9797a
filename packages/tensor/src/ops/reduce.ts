import type { Tensor } from '../tensor.ts';
export function sum(_x: Tensor, _o: { axes?: readonly number[]; keepDims?: boolean } = {}): Tensor {
  throw new Error('todo');
}
