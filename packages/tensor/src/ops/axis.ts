import type { ReductionShape } from '../reduction.ts';
import { sizeOf, type Shape } from '../shape.ts';

/** `shape` seen as [before the axis, the axis, behind it]. */
export function aroundAxis(shape: Shape, axis: number): ReductionShape {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    length: shape[axis]!,
    inner: sizeOf(shape.slice(axis + 1)),
  };
}

/** `shape` with another length on one axis. */
export function withLength(shape: Shape, axis: number, length: number): number[] {
  return shape.map((own, k) => (k === axis ? length : own));
}
