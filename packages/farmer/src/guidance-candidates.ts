import {
  concat,
  gather,
  gaussianMixtureLogProb,
  iota,
  map,
  reshape,
  sampleGaussianMixture,
  slice,
  type RandomSource,
  type Tensor,
} from '@farmer/tensor';

/** Factors of mixtures: T_π of their logits, T_σ of their standard deviations. */
export interface Temperatures {
  readonly logitScale: number;
  readonly scale: number;
}

/** @throws RangeError naming the first that is out of range; deviations may be scaled by 0, which draws the means */
export function checkTemperatures({
  logitScale,
  ...deviations
}: Temperatures & { readonly redundantScale?: number }): void {
  const check = (name: string, value: number, isRight: boolean, expected: string) => {
    if (isRight && Number.isFinite(value)) return;
    throw new RangeError(`${name} ${value} is out of range; expected a number ${expected}`);
  };
  check('logitScale', logitScale, logitScale > 0, 'greater than 0');
  for (const [name, value] of Object.entries(deviations)) {
    check(name, value, value >= 0, 'from 0 up');
  }
}

/** Both temperatures at once: the factors multiply. */
export function combined(a: Temperatures, b: Temperatures): Temperatures {
  return { logitScale: a.logitScale * b.logitScale, scale: a.scale * b.scale };
}

/** What is drawn from each of B mixtures: n values of d channels from K components. */
export interface MixtureSize {
  /** n */
  readonly values: number;
  /** d */
  readonly channels: number;
  /** K */
  readonly components: number;
}

/** The mixtures under the condition, p_c, and without it, p_u. */
export interface GuidedMixtures extends MixtureSize {
  /** [B, K(1 + 2d)] */
  readonly conditional: Tensor;
  /** [B, K(1 + 2d)] */
  readonly unconditional: Tensor;
  /** Whether these are redundant tokens, which take larger pools. */
  readonly redundant: boolean;
}

/**
 * `count` draws for each value.
 * @param head [B, K(1 + 2d)]
 * @returns [B, n·count, d]
 */
export function propose(
  { values, channels, components }: MixtureSize,
  head: Tensor,
  count: number,
  temperatures: Temperatures,
  random: RandomSource,
): Tensor {
  const [batch, n] = [head.shape[0]!, values * count];
  const uniforms = random.uniform([batch, n]);
  const normals = random.normal([batch, n, channels]);
  return sampleGaussianMixture(head, uniforms, normals, { components, ...temperatures });
}

/** Pools [B, n·s_k, d] side by side, value by value: [B, n·Σs_k, d]. */
export function joinPools(pools: readonly Tensor[], { values, channels }: GuidedMixtures): Tensor {
  const batch = pools[0]!.shape[0]!;
  const grouped = pools.map((pool) => reshape(pool, [batch, values, -1, channels]));
  return reshape(grouped.length === 1 ? grouped[0]! : concat(grouped, 2), [batch, -1, channels]);
}

/** log p_c and log p_u of candidates [B, n·s, d]: [B, n, s] each. */
export function densities(
  candidates: Tensor,
  { conditional, unconditional, values, components }: GuidedMixtures,
  { logitScale, scale }: Temperatures,
): [Tensor, Tensor] {
  // Without any spread it is the means that are weighed, by the mixtures as predicted.
  const options = { components, logitScale, scale: scale || 1 };
  const shape = [candidates.shape[0]!, values, candidates.shape[1]! / values];
  const under = (head: Tensor) => reshape(gaussianMixtureLogProb(candidates, head, options), shape);
  return [under(conditional), under(unconditional)];
}

/**
 * r = log p_c − log p_u, kept finite: −1e30 where p_c vanishes, as p' does there, and 1e30 where only p_u does.
 */
export function logRatio(logC: Tensor, logU: Tensor): Tensor {
  return map('where(c > -1e30, min(c - max(u, -1e30), 1e30), -1e30)', { c: logC, u: logU });
}

/** The chosen candidate of each value: [B, n·s, d] by indices i32 [B, n] → [B, n, d]. */
export function pick(
  candidates: Tensor,
  chosen: Tensor,
  { values, channels }: GuidedMixtures,
): Tensor {
  const batch = candidates.shape[0]!;
  const rows = batch * values;
  const poolSize = candidates.shape[1]! / values;
  const place = map('row * size + chosen', {
    row: iota(rows),
    size: poolSize,
    chosen: reshape(chosen, [rows]),
  });
  const flat = reshape(candidates, [rows * poolSize, channels]);
  return reshape(gather(flat, place, 0), [batch, values, channels]);
}

/** The conditional and the unconditional half of a batch of 2B. */
export function halves(heads: Tensor): { conditional: Tensor; unconditional: Tensor } {
  const batch = heads.shape[0]! / 2;
  return {
    conditional: slice(heads, { axis: 0, start: 0, end: batch }),
    unconditional: slice(heads, { axis: 0, start: batch, end: 2 * batch }),
  };
}
