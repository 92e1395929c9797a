import type { Tensor } from '@farmer/tensor';
import type { SplitTokens } from './dimension-split.ts';

/** The parts of log P(Z | c) in nats (eq. 14): of each token i, [B, N], or their sums over i, of each image, [B]. */
export interface LatentLogLikelihood {
  /** log p(zᴵ_i | zᴵ_<i, c) */
  readonly informative: Tensor;
  /** log p(zᴿ_i | Zᴵ, c); undefined without redundant channels. */
  readonly redundant: Tensor | undefined;
}

/** A density over the flow's output Z. */
export interface Prior {
  /**
   * @param parts Zᴵ [B, N, dᴵ] and Zᴿ [B, N, dᴿ] in reading order
   * @param labels i32 [B]
   * @returns the logarithm of each token's density, [B, N] in reading order
   */
  logLikelihood(parts: SplitTokens, labels: Tensor): LatentLogLikelihood;
}
