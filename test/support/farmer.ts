import { philoxNormals, scope, type Tensor } from '@farmer/tensor';
import type { Module } from '@farmer/nn';
import type { ModelConfig } from 'farmer';

/** A model small enough for brute force: 6 tokens of 4 channels. */
export const tinyConfig: ModelConfig = {
  image: { height: 4, width: 6, channels: 1 },
  classes: 3,
  patch: 2,
  pixels: 'uniform',
  patchTransform: 'dct',
  flow: { kind: 'affine-autoregressive', blocks: 3, layers: 1, width: 8, heads: 2 },
  prior: 'ar',
  ar: { layers: 2, width: 12, heads: 2 },
  redundantPrior: 'conditional-mixture',
  informativeChannels: 3,
  components: 3,
  sharedComponents: 4,
  conditionRepeat: 2,
  finalPermutation: true,
};

/** Non-zero weights everywhere: at zero initialisation most invariants hold vacuously. */
export function randomizeParameters(module: Module, seed: number, scale = 0.3): void {
  let call = 0;
  for (const [name, parameter] of module.namedParameters()) {
    const values = Float32Array.from(
      philoxNormals(seed, 0, call++, parameter.size),
      (x) => scale * x,
    );
    // Norm scales stay near 1.
    if (/[nN]orm.*\.scale$/.test(name)) values.forEach((value, i) => (values[i] = 1 + value));
    parameter.write(values);
  }
}

/** Standard normal values for a test input. */
export function normals(seed: number, count: number): Float32Array {
  return Float32Array.from(philoxNormals(seed, 1, 0, count));
}

/** The values of the tensor that a scope returns, which is then freed. */
export async function read(body: () => Tensor): Promise<Float32Array> {
  const result = scope(body);
  const data = (await result.data()) as Float32Array;
  result.dispose();
  return data;
}
