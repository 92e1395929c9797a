import type { Permutation } from '../../../packages/farmer/src/data/batches.ts';

/** A permutation for tests: sorts by a multiplicative hash of (index, epoch). */
export const hashedOrder: Permutation = (n, epoch) => {
  const key = (i: number) => Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(epoch + 1, 0x85ebca6b);
  return Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => key(a) - key(b) || a - b);
};
