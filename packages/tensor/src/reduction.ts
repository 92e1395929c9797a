import type { DType } from './dtype.ts';

export type Reduction = 'sum' | 'max' | 'min' | 'mean' | 'logSumExp';

/** A reduction of the middle axis of [outer, length, inner]. */
export interface ReductionShape {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** The value of a reduction over nothing. */
export function identityOf(reduction: Reduction, dtype: DType): number {
  if (reduction === 'sum' || reduction === 'mean') return 0;
  const lowest = { f32: -Infinity, i32: -(2 ** 31), u32: 0 }[dtype];
  const highest = { f32: Infinity, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1 }[dtype];
  return reduction === 'min' ? highest : lowest;
}
