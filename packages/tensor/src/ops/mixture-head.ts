import type { NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, ShapeError, type Shape } from '../shape.ts';

export interface MixtureParams {
  readonly components: number;
  /** T_π: multiplies the logits. */
  readonly logitScale: number;
  /** T_σ: multiplies the standard deviations. */
  readonly scale: number;
}

export interface MixtureOptions {
  readonly components: number;
  /** T_π multiplies the logits. Default 1. */
  readonly logitScale?: number;
  /** T_σ multiplies the standard deviations. Default 1. */
  readonly scale?: number;
}

export const smallestStd = 1e-6;

interface Component {
  readonly weight: number;
  readonly means: readonly number[];
  readonly stds: readonly number[];
  readonly raws: readonly number[];
  /** Where its parts are inside the head. */
  readonly at: { readonly logit: number; readonly means: number; readonly raws: number };
}

/** A group's mixture, unpacked from its head: K logits, K × d means, K × d raw scales. */
export function mixtureAt(
  head: NdArray,
  group: number,
  channels: number,
  { components, logitScale, scale }: MixtureParams,
): Component[] {
  const start = group * components * (1 + 2 * channels);
  const logits = [...head.data.slice(start, start + components)].map((x) => logitScale * x);
  const largest = Math.max(...logits);
  const total = logits.reduce((sum, x) => sum + Math.exp(x - largest), 0);
  return logits.map((logit, k) => {
    const means = start + components + k * channels;
    const raws = means + components * channels;
    const rawScales = [...head.data.slice(raws, raws + channels)];
    return {
      weight: Math.exp(logit - largest) / total,
      means: [...head.data.slice(means, means + channels)],
      stds: rawScales.map((x) => scale * Math.max(0.5 * (x + Math.sqrt(x * x + 4)), smallestStd)),
      raws: rawScales,
      at: { logit: start + k, means, raws },
    };
  });
}

/** @throws ShapeError unless the head holds one mixture for each group of values */
export function checkMixture(
  op: string,
  z: Shape,
  head: Shape,
  { components }: MixtureParams,
): void {
  const [groups, , channels] = z;
  const wanted = components * (1 + 2 * (channels ?? 0));
  if (z.length !== 3 || head.length !== 2 || head[0] !== groups || head[1] !== wanted) {
    throw new ShapeError(
      `${op}: values [groups, n, channels] with ${components} components need a head ` +
        `[groups, components·(1 + 2·channels)], got ${formatShape(z)} and ${formatShape(head)}` +
        (z.length === 3 ? `; [${groups}, ${wanted}] would fit` : ''),
    );
  }
}

export function sampleMixture(random: SampleRandom): {
  z: NdArray;
  head: NdArray;
  params: MixtureParams;
} {
  const quads = random.uniform() < 0.5;
  const components = quads ? 4 * random.integer(1, 9) : random.length(17);
  const channels = quads ? 4 * random.integer(1, 5) : random.length(13);
  const groups = random.pick([random.length(8), random.length(65)]);
  const values = groups > 8 || random.uniform() < 0.4 ? 1 : random.length(17);
  const tempered = random.uniform() < 0.5;
  const logitScale = tempered ? Math.fround(0.2 + random.uniform()) : 1;
  const scale = tempered ? Math.fround(0.5 + random.uniform()) : 1;
  return {
    z: random.normals([groups, values, channels]),
    head: random.normals([groups, components * (1 + 2 * channels)]),
    params: { components, logitScale, scale },
  };
}
