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
import { LayerNorm, Linear, Module, Transformer, type Init } from '@farmer/nn';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { couplingOrder } from './permutation.ts';

export interface JetBlockOptions {
  readonly tokens: number;
  /** d ≥ 2 */
  readonly channels: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** t: which channels condition and which move depends on it. */
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
export class JetBlock extends Module implements TokenwiseMap {
  readonly inputProjection: Linear;
  /** [N, width] */
  readonly position: Tensor;
  readonly transformer: Transformer;
  readonly outputNorm: LayerNorm;
  /** To [μ, r]; starts at zero, so that the block starts as the identity. */
  readonly outputProjection: Linear;
  /** Channels of x₁ and of x₂. */
  readonly #sizes: readonly [number, number];
  /** i32 [d]: the channels in coupling order, x₁ first; and its inverse. */
  readonly #order: Tensor;
  readonly #inverseOrder: Tensor;

  constructor(init: Init, options: JetBlockOptions) {
    super();
    const { tokens, channels, width, index } = options;
    const { order, fixed } = couplingOrder(channels, index);
    this.#sizes = [fixed, channels - fixed];
    const inverse = new Int32Array(channels);
    order.forEach((channel, place) => (inverse[channel] = place));
    this.#order = persist(tensor(order, [channels], 'i32', init.device));
    this.#inverseOrder = persist(tensor(inverse, [channels], 'i32', init.device));
    this.inputProjection = new Linear(init, fixed, width);
    this.position = init.normal([tokens, width], 0.02);
    this.transformer = new Transformer(init, options);
    this.outputNorm = new LayerNorm(init, width);
    this.outputProjection = new Linear(init, width, 2 * (channels - fixed), { zero: true });
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

  #halves(tokens: Tensor): [Tensor, Tensor] {
    return split(gather(tokens, this.#order, 2), this.#sizes, 2) as [Tensor, Tensor];
  }

  #join(fixed: Tensor, moved: Tensor): Tensor {
    return gather(concat([fixed, moved], 2), this.#inverseOrder, 2);
  }

  /** μ and r of the moved half. */
  #affineParameters(fixed: Tensor): [Tensor, Tensor] {
    const h = this.inputProjection.forward(fixed); // [B, N, W]
    const embedded = map('h + place', { h, place: this.position });
    const hidden = this.transformer.forward(embedded, { causal: false });
    const affine = this.outputProjection.forward(this.outputNorm.forward(hidden));
    return split(affine, 2, 2) as [Tensor, Tensor];
  }
}
