import { attention, cacheWrite, ShapeError, type Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';
import type { KeyValueCache } from './key-value-cache.ts';
import { Linear } from './linear.ts';

/** Multi-head self-attention, softmax(Q Kᵀ / √(width / heads)) V for each head (Vaswani et al. 2017). */
export class MultiHeadAttention extends Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  readonly #heads: number;

  /** @throws ShapeError when `heads` does not divide `width` */
  constructor(init: Init, width: number, heads: number) {
    super();
    if (width % heads !== 0) {
      throw new ShapeError(
        `MultiHeadAttention: width ${width} is not a multiple of heads ${heads}`,
      );
    }
    this.query = new Linear(init, width, width);
    this.key = new Linear(init, width, width);
    this.value = new Linear(init, width, width);
    this.output = new Linear(init, width, width);
    this.#heads = heads;
  }

  /**
   * @param x [B, T, W]
   * @param options.causal token i sees tokens 0…i only
   * @param options.residual [B, T, W], added to the result
   * @returns [B, T, W]
   */
  forward(x: Tensor, options: { causal: boolean; residual?: Tensor }): Tensor {
    const { causal, residual } = options;
    const mixed = attention(this.query.forward(x), this.key.forward(x), this.value.forward(x), {
      heads: this.#heads,
      causal,
    });
    return this.output.forward(mixed, { residual });
  }

  /**
   * Causal attention of the next tokens to themselves and to those in the cache, which it extends.
   * @param x [B, t, W], tokens position…position+t−1
   * @param position u32 [1]
   * @returns [B, t, W]
   */
  step(
    x: Tensor,
    cache: KeyValueCache,
    position: Tensor,
    { residual }: { residual?: Tensor } = {},
  ): Tensor {
    cacheWrite(cache.keys, this.key.forward(x), position);
    cacheWrite(cache.values, this.value.forward(x), position);
    const mixed = attention(this.query.forward(x), cache.keys, cache.values, {
      heads: this.#heads,
      causal: true,
      position,
    });
    return this.output.forward(mixed, { residual });
  }
}
