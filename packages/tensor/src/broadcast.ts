import { broadcastStrides, type Shape } from './shape.ts';

/** A loop nest over some axes, with each operand's stride on each. */
export interface LoopNest {
  /** Outermost first. */
  readonly lengths: readonly number[];
  /** For each operand, its stride in elements on each axis; 0 where it is broadcast. */
  readonly strides: readonly (readonly number[])[];
}

/**
 * Broadcasts operands to a target shape, in as few axes as possible, but one at least: equal shapes give one axis, a
 * bias over rows gives two. On the last axis a stride is 0 or 1.
 */
export function loopNest(target: Shape, operands: readonly Shape[]): LoopNest {
  const strides = operands.map((shape) => broadcastStrides(shape, target));
  const nest = mergeAxes(target, strides);
  return nest.lengths.length > 0 ? nest : { lengths: [1], strides: operands.map(() => [0]) };
}

/** Drops axes of length 1, and joins neighbours that every operand walks in step; perhaps no axis is left. */
export function mergeAxes(lengths: Shape, strides: LoopNest['strides']): LoopNest {
  const merged: number[] = [];
  const mergedStrides: number[][] = strides.map(() => []);
  lengths.forEach((length, axis) => {
    if (length === 1) return;
    const last = merged.length - 1;
    const inStep = (own: readonly number[], i: number) =>
      mergedStrides[i]![last] === own[axis]! * length;
    if (last >= 0 && strides.every(inStep)) {
      merged[last]! *= length;
      strides.forEach((own, i) => (mergedStrides[i]![last] = own[axis]!));
    } else {
      merged.push(length);
      strides.forEach((own, i) => mergedStrides[i]!.push(own[axis]!));
    }
  });
  return { lengths: merged, strides: mergedStrides };
}
