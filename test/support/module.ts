import type { Module } from '@farmer/nn';
import { sampleRandom } from '@farmer/tensor';
import { uniformSource } from '@farmer/tensor/conformance';
import { toMatrix, type Matrix } from './formulas.ts';

/** Gives every parameter random values, those that start at 0 or 1 too, so that no test passes vacuously. */
export function randomise(module: Module, seed: number): void {
  const random = sampleRandom(uniformSource(seed));
  for (const [name, parameter] of module.namedParameters()) {
    const offset = name.endsWith('scale') ? 1 : 0;
    const std = parameter.rank > 1 ? 1 / Math.sqrt(parameter.shape[0]!) : 0.3;
    parameter.write(
      Float32Array.from({ length: parameter.size }, () => offset + std * random.normal()),
    );
  }
}

/** A module's parameters on the host: `matrix` and `vector` look them up by path. */
export async function hostParameters(module: Module): Promise<{
  matrix: (path: string) => Matrix;
  vector: (path: string) => number[];
}> {
  const state = await module.stateDict();
  const get = (path: string) => {
    const entry = state[path];
    if (!entry) throw new Error(`no parameter ${path}; there are ${Object.keys(state).join(', ')}`);
    return entry;
  };
  return {
    matrix: (path) => toMatrix(get(path).data, get(path).shape.at(-1)!),
    vector: (path) => Array.from(get(path).data),
  };
}
