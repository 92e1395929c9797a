import type { NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';

// The largest axis length by rank: past one workgroup, small enough for float64 loops.
const longest = [1, 9999, 129, 17, 8, 5, 4];

/** An array for ops that only move elements: any rank and dtype, now and then with no element at all. */
export function sampleArray(random: SampleRandom, rank: number): NdArray {
  const dtype = random.pick(['f32', 'f32', 'f32', 'i32', 'u32'] as const);
  const shape = random.shape(rank, longest[rank]);
  if (rank > 0 && random.uniform() < 0.05) shape[random.integer(0, rank - 1)] = 0;
  if (dtype === 'f32') return random.normals(shape);
  return random.integers(shape, dtype === 'i32' ? -1e9 : 0, 2e9, dtype);
}
