import { mergeAxes } from './broadcast.ts';
import type { Tensor } from './tensor.ts';

/** Elements `from[fromOffset + Σ cᵢ·fromStridesᵢ]` go to `to[toOffset + Σ cᵢ·toStridesᵢ]` for all c < lengths. */
export interface StridedCopy {
  readonly lengths: readonly number[];
  readonly from: Tensor;
  readonly fromOffset?: number;
  /** May be negative, for reversed axes. */
  readonly fromStrides: readonly number[];
  readonly to: Tensor;
  readonly toOffset?: number;
  readonly toStrides: readonly number[];
}

/** A copy in its fewest axes; at least one. */
export interface StridedLayout {
  readonly lengths: readonly number[];
  readonly fromStrides: readonly number[];
  readonly toStrides: readonly number[];
  readonly fromOffset: number;
  readonly toOffset: number;
}

/** The layout of a copy, in its fewest axes. */
export function stridedLayout(copy: StridedCopy): StridedLayout {
  const { fromOffset = 0, toOffset = 0 } = copy;
  const { lengths, strides } = mergeAxes(copy.lengths, [copy.fromStrides, copy.toStrides]);
  if (lengths.length === 0) {
    return { lengths: [1], fromStrides: [1], toStrides: [1], fromOffset, toOffset };
  }
  const [fromStrides, toStrides] = strides as [number[], number[]];
  return { lengths, fromStrides, toStrides, fromOffset, toOffset };
}
