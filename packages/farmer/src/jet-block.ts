import {
  concat,
  gather,
  map,
  persist,
  scope,
  split,
  sum,
  tensor,
  type Tensor,
} from '@farmer/tensor';
import type { Init } from '@farmer/nn';
import { AffinePredictor, type AffinePredictorOptions } from './affine-predictor.ts';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { couplingOrder } from './permutation.ts';

export interface JetBlockOptions extends Omit<AffinePredictorOptions, 'outputs' | 'direction'> {
  /** t: which of a token's channels condition and which move depends on it. There are 2 channels at least. */
  readonly index: number;
}

/**
 * A split-channel affine coupling, the baseline flow of table 4 (Jet, Kolesnikov et al. 2024). The channels of every
 * token fall into two halves x₁, x₂; a Transformer with full attention over x₁ predicts shift μ and scale σ of x₂:
 *
 *     z₁ = x₁,   z₂ = (x₂ − μ(x₁)) ⊙ σ(x₁),   log|det| = Σ log σ,   σ = 2 sigmoid(r) ∈ (0, 2)
 *
 * The inverse is one pass over all tokens at once.
 */
export class JetBlock extends AffinePredictor implements TokenwiseMap {
  /** d₁ and d₂, channels of x₁ and of x₂. */
  readonly #sizes: readonly [number, number];
  /** i32 [d]: the channels in coupling order, x₁ first; and its inverse. */
  readonly #order: Tensor;
  readonly #inverseOrder: Tensor;

  constructor(init: Init, options: JetBlockOptions) {
    const { channels, index } = options;
    const { order, fixed } = couplingOrder(channels, index);
    const moved = channels - fixed;
    // Reads x₁, and predicts [μ, r] of x₂.
    super(init, { ...options, channels: fixed, outputs: 2 * moved, direction: 'forward' });
    this.#sizes = [fixed, moved];
    const inverse = new Int32Array(channels);
    order.forEach((channel, place) => (inverse[channel] = place));
    this.#order = persist(tensor(order, [channels], 'i32', init.device));
    this.#inverseOrder = persist(tensor(inverse, [channels], 'i32', init.device));
  }

  /** x [B, N, d] → z. */
  forward(x: Tensor): Mapped {
    return scope(() => {
      const { z, logDet } = this.forwardTokens(x);
      return { z, logDet: sum(logDet, { axes: [1] }) };
    });
  }

  forwardTokens(x: Tensor): TokensMapped {
    return scope(() => {
      const [fixed, moved] = this.#halves(x);
      const [shift, rawScale] = this.#affineParameters(fixed);
      const z = map('(x - mu) * 2 * sigmoid(r)', { x: moved, mu: shift, r: rawScale });
      // log σ = log 2 + log sigmoid(r), and log sigmoid(r) = −softplus(−r) is finite where sigmoid(r) is 0.
      const logScale = map('0.6931471805599453 - softplus(-r)', { r: rawScale });
      return { z: this.#join(fixed, z), logDet: sum(logScale, { axes: [2] }) };
    });
  }

  /** z → x, in one pass. */
  inverse(z: Tensor): Tensor {
    return scope(() => {
      const [fixed, moved] = this.#halves(z);
      const [shift, rawScale] = this.#affineParameters(fixed);
      // 1 / sigmoid(r) = 1 + exp(−r)
      const x = map('z * 0.5 * (1 + exp(-r)) + mu', { z: moved, mu: shift, r: rawScale });
      return this.#join(fixed, x);
    });
  }

  override dispose(): void {
    super.dispose();
    this.#order.dispose();
    this.#inverseOrder.dispose();
  }

  /** Tokens [B, N, d] → x₁ [B, N, d₁] and x₂ [B, N, d₂]. */
  #halves(tokens: Tensor): [Tensor, Tensor] {
    return split(gather(tokens, this.#order, 2), this.#sizes, 2) as [Tensor, Tensor];
  }

  /** The inverse of `#halves`. */
  #join(fixed: Tensor, moved: Tensor): Tensor {
    return gather(concat([fixed, moved], 2), this.#inverseOrder, 2);
  }

  /** μ and r of x₂, [B, N, d₂] each, from x₁ [B, N, d₁]. */
  #affineParameters(fixed: Tensor): [Tensor, Tensor] {
    return split(this.predict(fixed, { causal: false }), 2, 2) as [Tensor, Tensor];
  }
}
