import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { arenaOffsets, arenaSize } from './arena.ts';

/** A random case of an optimiser step: parameters of all sorts of sizes, now and then a skipped step. */
export function sampleUpdate(
  random: SampleRandom,
  count: number,
): { scalars: NdArray; clip: NdArray; parameters: NdArray[]; gradients: NdArray[] } {
  const shapes = Array.from({ length: count }, () =>
    random.pick([random.shape(1, 257), random.shape(2, 33), [4101], [64, 65]]),
  );
  return {
    scalars: ndarray([4], [0.03, 0.1, 0.05, 0].map(Math.fround)),
    clip: ndarray([2], [Math.fround(random.uniform()), random.uniform() < 0.2 ? 0 : 1]),
    parameters: shapes.map((shape) => random.normals(shape)),
    gradients: shapes.map((shape) => random.normals(shape)),
  };
}

/** An arena of `value()` for each parameter's element, and zeros between them, which stay zeros. */
export function sampleArena(parameters: readonly NdArray[], value: () => number): NdArray {
  const arena = new Float64Array(arenaSize(parameters));
  const offsets = arenaOffsets(parameters);
  parameters.forEach(({ data }, k) =>
    data.forEach((_, i) => (arena[offsets[k]! + i] = Math.fround(value()))),
  );
  return ndarray([arena.length], arena);
}
