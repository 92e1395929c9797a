import { broadcastStrides, type Shape } from './shape.ts';

/** A loop nest over a target shape, with each operand's stride on each axis; as few axes as possible. */
export interface LoopNest {
  /** Lengths, outermost first; at least one axis. */
  readonly lengths: readonly number[];
  /** For each operand, its stride in elements on each axis; 0 where it is broadcast. */
  readonly strides: readonly (readonly number[])[];
}

/**
 * Broadcasts operands to a target shape, drops axes of length 1 and merges neighbours that every operand
 * walks in step. Equal shapes give one axis; a bias over rows gives two. On the last axis a stride is 0 or 1.
 */
export function loopNest(target: Shape, operands: readonly Shape[]): LoopNest {
  const all = operands.map((shape) => broadcastStrides(shape, target));
  const lengths: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (let axis = 0; axis < target.length; axis++) {
    const length = target[axis]!;
    if (length === 1) continue;
    const last = lengths.length - 1;
    const merges = last >= 0 && all.every((own, i) => strides[i]![last] === own[axis]! * length);
    if (merges) {
      lengths[last]! *= length;
      all.forEach((own, i) => (strides[i]![last] = own[axis]!));
    } else {
      lengths.push(length);
      all.forEach((own, i) => strides[i]!.push(own[axis]!));
    }
  }
  if (lengths.length === 0) {
    lengths.push(1);
    strides.forEach((own) => own.push(0));
  }
  return { lengths, strides };
}
