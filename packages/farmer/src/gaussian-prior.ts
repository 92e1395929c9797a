import { map, scope, sum, type RandomStream, type Tensor } from '@farmer/tensor';
import type { SplitTokens } from './dimension-split.ts';
import type { Dimensions } from './dimensions.ts';
import type { LatentLogLikelihood, Prior } from './prior.ts';

/** Z ~ N(0, I), of no class: with an autoregressive flow a plain TARFlow. */
export class GaussianPrior implements Prior {
  readonly #dimensions: Dimensions;

  constructor(dimensions: Dimensions) {
    this.#dimensions = dimensions;
  }

  logLikelihood({ informative, redundant }: SplitTokens): LatentLogLikelihood {
    return scope(() => ({
      informative: standardNormalLogProb(informative),
      redundant: redundant && standardNormalLogProb(redundant),
    }));
  }

  /** @param scale multiplies the standard deviation */
  sample(batch: number, random: RandomStream, scale = 1): SplitTokens {
    const { tokens, informative, redundant } = this.#dimensions;
    return scope(() => ({
      informative: random.normal([batch, tokens, informative], 0, scale),
      redundant: redundant > 0 ? random.normal([batch, tokens, redundant], 0, scale) : undefined,
    }));
  }
}

/** log N(z; 0, I) of each token: z [B, N, d] → [B, N], in nats. */
export function standardNormalLogProb(z: Tensor): Tensor {
  const each = map('-0.5 * z * z - 0.9189385332046727', { z }); // −½ z² − ½ log 2π
  return sum(each, { axes: [2] });
}
