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
 * f_t, one autoregressive affine map of the flow: x = Z^{t−1} → z = Z^t (eq. 8-10). With tokens in reading order, a
 * causal Transformer predicts shift μ and log-scale a = −log σ of each token from those before it:
 *
 *     z_1 = x_1,   z_i = (x_i − μ(x_<i)) · exp(−a(x_<i)) for i > 1,   log|det| = −Σ_{i>1} Σ_j a_ij
 *
 * The paper's σ multiplies in eq. 8-10 and divides in eq. 12; here exp(a), which is 1/σ of eq. 8-10, divides.
 */
export class FlowBlock extends AffinePredictor implements TokenwiseMap {
  constructor(init: Init, options: FlowBlockOptions) {
    super(init, { ...options, outputs: 2 * options.channels }); // [μ, a]
  }

  /** x [B, N, d] → z, all tokens at once. */
  forward(x: Tensor): Mapped {
    return scope(() => {
      const { z, logDet } = this.#map(x);
      return { z, logDet: sum(logDet, { axes: [1] }) }; // [B, N] → [B]
    });
  }

  forwardTokens(x: Tensor): TokensMapped {
    return scope(() => {
      const { z, logDet } = this.#map(x);
      return { z, logDet: permuteTokenValues(logDet, this.direction) };
    });
  }

  /** z [B, N, d] in image order, and the log-det of each token, [B, N], in reading order. */
  #map(x: Tensor): Mapped {
    const read = permuteTokens(x, this.direction); // x in reading order
    const affine = this.predict(read, { causal: true }); // [B, N, 2d]: at i, [μ, a] of token i + 1
    const { z, logDet } = affineFlow(read, affine);
    return { z: permuteTokens(z, this.direction), logDet };
  }

  /** z [B, N, d] → x, one token after another, with cached keys and values. */
  inverse(z: Tensor, options: DecodingOptions = {}): Tensor {
    return scope(() => {
      const written = permuteTokens(z, this.direction); // z in reading order
      const [batch, tokens] = written.shape as [number, number, number];
      const caches = this.transformer.createCaches(batch, tokens);
      const position = tensor([0], [1], 'u32');
      const places = permuteTokens(this.position, this.direction); // [N, W]
      const x = zeros(written.shape);
      cacheWrite(x, slice(written, { axis: 1, end: 1 }), position); // x_1 = z_1
      const step = () => {
        const place = rowAt(places, position, 0); // [1, W]
        const token = rowAt(x, position, 1); // [B, 1, d]
        const hidden = this.transformer.step(this.embed(token, place), caches, position); // [B, 1, W]
        const affine = this.project(hidden); // [B, 1, 2d]: [μ, a] of the next token
        advance(position);
        cacheWrite(x, invertAffine(rowAt(written, position, 1), affine), position);
      };
      repeatStep(tokens - 1, step, options);
      return permuteTokens(x, this.direction);
    });
  }
}
