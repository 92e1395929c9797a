import type { Tensor } from '@farmer/tensor';
import type { ArTransformer } from './ar-transformer.ts';
import { AutoregressivePrior } from './ar-prior.ts';
import type { ModelConfig } from './config.ts';
import type { SplitTokens } from './dimension-split.ts';
import type { Dimensions } from './dimensions.ts';
import { GaussianPrior } from './gaussian-prior.ts';

/** log P(Z | c) in nats: of each image, [B], or of each token, [B, N]. */
export interface LatentLogLikelihood {
  /** Σ_i log p(zᴵ_i | zᴵ_<i, c) */
  readonly informative: Tensor;
  /** Σ_i log p(zᴿ_i | Zᴵ, c); undefined without redundant channels. */
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

/** @param ar the AR Transformer; undefined for a plain Gaussian prior */
export function createPrior(
  config: ModelConfig,
  dimensions: Dimensions,
  ar: ArTransformer | undefined,
): Prior {
  return ar ? new AutoregressivePrior(ar, config) : new GaussianPrior(dimensions);
}
