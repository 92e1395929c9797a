import {
  affineFlow,
  cacheWrite,
  scope,
  slice,
  sum,
  tensor,
  zeros,
  type Tensor,
} from '@farmer/tensor';
import type { Init } from '@farmer/nn';
import { AffinePredictor, invertAffine, type AffinePredictorOptions } from './affine-predictor.ts';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { permuteTokens, permuteTokenValues } from './permutation.ts';
import { advance, repeatStep, rowAt, type DecodingOptions } from './repeat-step.ts';

export type FlowBlockOptions = Omit<AffinePredictorOptions, 'outputs'>;

/**
 * One autoregressive affine map (eq. 8-10). With tokens in reading order, a causal Transformer predicts shift μ and
 * log-scale a = −log σ of each token from those before it; the first token stays:
 *
 *     z_i = (x_i − μ(x_<i)) · exp(−a(x_<i)),   log|det| = −Σ_i Σ_j a_ij
 */
export class FlowBlock extends AffinePredictor implements TokenwiseMap {
  constructor(init: Init, options: FlowBlockOptions) {
    super(init, { ...options, outputs: 2 * options.channels }); // [μ, a]
  }

  /** x → z, all tokens at once. */
  forward(x: Tensor): Mapped {
    return scope(() => {
      const { z, logDet } = this.#read(x);
      return { z, logDet: sum(logDet, { axes: [1] }) };
    });
  }

  forwardTokens(x: Tensor): TokensMapped {
    return scope(() => {
      const { z, logDet } = this.#read(x);
      return { z, logDet: permuteTokenValues(logDet, this.direction) };
    });
  }

  /** z in image order, and the log-det of each token in reading order. */
  #read(x: Tensor): Mapped {
    const read = permuteTokens(x, this.direction); // [B, N, d]
    const { z, logDet } = affineFlow(read, this.predict(read, { causal: true }));
    return { z: permuteTokens(z, this.direction), logDet };
  }

  /** z → x, one token after another, with cached keys and values. */
  inverse(z: Tensor, options: DecodingOptions = {}): Tensor {
    return scope(() => {
      const written = permuteTokens(z, this.direction);
      const [batch, tokens] = written.shape as [number, number, number];
      const caches = this.transformer.createCaches(batch, tokens);
      const position = tensor([0], [1], 'u32');
      const places = permuteTokens(this.position, this.direction);
      const x = zeros(written.shape);
      cacheWrite(x, slice(written, { axis: 1, end: 1 }), position); // x_1 = z_1
      const step = () => {
        const place = rowAt(places, position, 0); // [1, W]
        const token = rowAt(x, position, 1); // [B, 1, d]
        const hidden = this.transformer.step(this.embed(token, place), caches, position);
        const affine = this.project(hidden);
        advance(position);
        cacheWrite(x, invertAffine(rowAt(written, position, 1), affine), position);
      };
      repeatStep(tokens - 1, step, options);
      return permuteTokens(x, this.direction);
    });
  }
}
