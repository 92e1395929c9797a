import { concat, slice, type Tensor } from '@farmer/tensor';

/** Z [B, N, d] as informative channels Zᴵ [B, N, dᴵ] and redundant ones Zᴿ [B, N, dᴿ] (section 3.3). */
export interface SplitTokens {
  readonly informative: Tensor;
  /** Undefined when all channels are informative (no dimension reduction). */
  readonly redundant: Tensor | undefined;
}

/** Z [B, N, d] → Zᴵ, its first `informativeChannels` channels, and Zᴿ, the others. */
export function splitChannels(z: Tensor, informativeChannels: number): SplitTokens {
  const d = z.shape[2]!;
  if (informativeChannels === d) return { informative: z, redundant: undefined };
  return {
    informative: slice(z, { axis: 2, start: 0, end: informativeChannels }),
    redundant: slice(z, { axis: 2, start: informativeChannels, end: d }),
  };
}

/** The inverse of `splitChannels`: Zᴵ and Zᴿ → Z [B, N, d]. */
export function joinChannels({ informative, redundant }: SplitTokens): Tensor {
  return redundant ? concat([informative, redundant], 2) : informative;
}
