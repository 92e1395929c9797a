import type { Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';
import { MultiHeadAttention } from './attention.ts';
import type { KeyValueCache } from './key-value-cache.ts';
import { Mlp } from './mlp.ts';
import { LayerNorm } from './norm.ts';

export interface TransformerBlockOptions {
  readonly width: number;
  readonly heads: number;
  /** Hidden width of the MLP in units of `width`. Default: 4. */
  readonly mlpRatio?: number;
}

/** A pre-norm block: h = x + attention(LN x); y = h + mlp(LN h). */
export class TransformerBlock extends Module {
  readonly attentionNorm: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly mlpNorm: LayerNorm;
  readonly mlp: Mlp;

  constructor(init: Init, { width, heads, mlpRatio = 4 }: TransformerBlockOptions) {
    super();
    this.attentionNorm = new LayerNorm(init, width);
    this.attention = new MultiHeadAttention(init, width, heads);
    this.mlpNorm = new LayerNorm(init, width);
    this.mlp = new Mlp(init, width, Math.round(width * mlpRatio));
  }

  /** @param x [B, T, W] */
  forward(x: Tensor, { causal }: { causal: boolean }): Tensor {
    const h = this.attention.forward(this.attentionNorm.forward(x), { causal, residual: x });
    return this.#feedForward(h);
  }

  /** `forward` of the next tokens [B, t, W] of a causal sequence; see `MultiHeadAttention.step`. */
  step(x: Tensor, cache: KeyValueCache, position: Tensor): Tensor {
    const normed = this.attentionNorm.forward(x);
    return this.#feedForward(this.attention.step(normed, cache, position, { residual: x }));
  }

  #feedForward(h: Tensor): Tensor {
    return this.mlp.forward(this.mlpNorm.forward(h), { residual: h });
  }
}
