import { checkpoint } from '@farmer/autograd';
import type { Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';
import { createKeyValueCache, type KeyValueCache } from './key-value-cache.ts';
import { LayerNorm } from './norm.ts';
import { TransformerBlock, type TransformerBlockOptions } from './transformer-block.ts';

export interface TransformerOptions extends TransformerBlockOptions {
  readonly layers: number;
  /** A LayerNorm after the last block. Default: false. */
  readonly finalNorm?: boolean;
}

/** A stack of pre-norm blocks on [B, T, W]. */
export class Transformer extends Module {
  readonly width: number;
  readonly blocks: readonly TransformerBlock[];
  readonly finalNorm: LayerNorm | undefined;
  /** Whether only each block's input is kept for a backward pass, which computes the rest again. */
  recompute = false;

  constructor(init: Init, { layers, finalNorm = false, ...block }: TransformerOptions) {
    super();
    this.width = block.width;
    this.blocks = Array.from({ length: layers }, () => new TransformerBlock(init, block));
    this.finalNorm = finalNorm ? new LayerNorm(init, block.width) : undefined;
  }

  /** @param x [B, T, W] */
  forward(x: Tensor, options: { causal: boolean }): Tensor {
    let h = x;
    for (const block of this.blocks) {
      const input = h;
      const run = () => block.forward(input, options);
      h = this.recompute ? checkpoint(run) : run();
    }
    return this.finalNorm ? this.finalNorm.forward(h) : h;
  }

  /**
   * Empty caches for `step`, one for each block.
   * @param length the most tokens that will be decoded
   */
  createCaches(batch: number, length: number): KeyValueCache[] {
    const { device } = this.parameters()[0]!;
    return this.blocks.map(() => createKeyValueCache([batch, length, this.width], device));
  }

  /**
   * `forward` of the next tokens of a causal sequence.
   * @param x [B, t, W], tokens position…position+t−1
   * @param caches from `createCaches`; extended
   * @param position u32 [1]
   */
  step(x: Tensor, caches: readonly KeyValueCache[], position: Tensor): Tensor {
    if (caches.length !== this.blocks.length) {
      throw new Error(
        `Transformer.step: ${caches.length} caches given, one for each of ${this.blocks.length} blocks expected, as createCaches(batch, length) makes them`,
      );
    }
    const h = this.blocks.reduce((h, block, i) => block.step(h, caches[i]!, position), x);
    return this.finalNorm ? this.finalNorm.forward(h) : h;
  }
}
