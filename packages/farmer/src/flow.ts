import { map, scope, type Tensor } from '@farmer/tensor';
import { Module, type Init } from '@farmer/nn';
import { dimensions, type ModelConfig } from './config.ts';
import { FlowBlock } from './flow-block.ts';
import type { InvertibleMap, Mapped } from './invertible-map.ts';
import { flowDirection } from './permutation.ts';

/** The autoregressive flow F: X = Z⁰ → Z¹ → … → Zⁿ = Z. Not conditioned on the class. */
export class Flow extends Module implements InvertibleMap {
  readonly blocks: FlowBlock[];

  constructor(init: Init, config: ModelConfig) {
    super();
    const { tokens, channels } = dimensions(config);
    const { blocks, layers, width, heads } = config.flow;
    this.blocks = Array.from(
      { length: blocks },
      (_, t) =>
        new FlowBlock(init, {
          tokens,
          channels,
          layers,
          width,
          heads,
          direction: flowDirection(t),
        }),
    );
  }

  /** X [B, N, d] → Z; log|det| is the sum over blocks. */
  forward(x: Tensor): Mapped {
    return scope(() =>
      this.blocks.reduce<Mapped | undefined>((sofar, block) => {
        const { z, logDet } = block.forward(sofar?.z ?? x);
        return { z, logDet: sofar ? map('a + b', { a: sofar.logDet, b: logDet }) : logDet };
      }, undefined)!,
    );
  }

  inverse(z: Tensor): Tensor {
    return scope(() => this.blocks.reduceRight((latent, block) => block.inverse(latent), z));
  }
}
