import type { ReductionShape } from './reduction.ts';

/** An array seen as [outer, length, inner], of which `count` positions on the middle axis are named by indices. */
export interface IndexedAxis extends ReductionShape {
  readonly count: number;
  /** One index per element of [outer, count, inner]; otherwise one per position in [count]. */
  readonly perElement: boolean;
}
