import {
  concat,
  gather,
  iota,
  map,
  reshape,
  sampleGaussianMixture,
  slice,
  tensor,
  type RandomStream,
  type Tensor,
} from '@farmer/tensor';

/** What is drawn: n values of d channels for each of B mixtures, under the condition and without it. */
export interface GuidedMixtures {
  /** [B, K(1 + 2d)] */
  readonly conditional: Tensor;
  readonly unconditional: Tensor;
  readonly values: number;
  readonly channels: number;
  readonly components: number;
  /** Whether these are redundant tokens, which take larger pools. */
  readonly redundant: boolean;
}

/** `count` draws for each value: [B, n·count, d]. */
export function propose(
  { values, channels, components }: GuidedMixtures,
  head: Tensor,
  count: number,
  temperatures: { readonly logitScale: number; readonly scale: number },
  random: RandomStream,
): Tensor {
  const [batch, n] = [head.shape[0]!, values * count];
  return sampleGaussianMixture(
    head,
    random.uniform([batch, n]),
    random.normal([batch, n, channels]),
    {
      components,
      ...temperatures,
    },
  );
}

/** Pools [B, n·s_k, d] side by side, value by value: [B, n·Σs_k, d]. */
export function joinPools(pools: readonly Tensor[], { values, channels }: GuidedMixtures): Tensor {
  const batch = pools[0]!.shape[0]!;
  const grouped = pools.map((pool) => reshape(pool, [batch, values, -1, channels]));
  return reshape(grouped.length === 1 ? grouped[0]! : concat(grouped, 2), [batch, -1, channels]);
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
    size: tensor([poolSize], [1], 'i32'),
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
