import type { DType } from './dtype.ts';
import { ndarrayOf, type NdArray } from './reference.ts';
import type { Shape } from './shape.ts';

/** Random choices for an op's sample cases, reproducible from one seed. */
export interface SampleRandom {
  /** Uniform in [0, 1). */
  uniform(): number;
  normal(): number;
  /** Whole number, both ends included. */
  integer(low: number, high: number): number;
  pick<T>(choices: readonly T[]): T;
  /** An axis length: 1, small, odd, prime, or just past a power of two; at most `max`. */
  length(max?: number): number;
  shape(rank: number, maxLength?: number): number[];
  /** Normal values of the shape. */
  normals(shape: Shape, scale?: number): NdArray;
  uniforms(shape: Shape, low: number, high: number): NdArray;
  integers(shape: Shape, low: number, high: number, dtype?: DType): NdArray;
}

const lengths = [1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 64, 65, 97, 129, 257];

/** @param uniform a source of numbers in [0, 1) */
export function sampleRandom(uniform: () => number): SampleRandom {
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const integer = (low: number, high: number) => low + Math.floor(uniform() * (high - low + 1));
  const pick = <T>(choices: readonly T[]) => choices[integer(0, choices.length - 1)]!;
  const length = (max = 33) => pick(lengths.filter((candidate) => candidate <= max));
  // Samples hold float32 values, so that kernel and reference start from the same numbers.
  return {
    uniform,
    normal,
    integer,
    pick,
    length,
    shape: (rank, maxLength = 9) => Array.from({ length: rank }, () => length(maxLength)),
    normals: (shape, scale = 1) => ndarrayOf(shape, () => Math.fround(normal() * scale)),
    uniforms: (shape, low, high) =>
      ndarrayOf(shape, () => Math.fround(low + (high - low) * uniform())),
    integers: (shape, low, high, dtype = 'i32') =>
      ndarrayOf(shape, () => integer(low, high), dtype),
  };
}
