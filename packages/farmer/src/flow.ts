import { map, scope, type Tensor } from '@farmer/tensor';
import { Module, type Init } from '@farmer/nn';
import type { ModelConfig } from './config.ts';
import { dimensions } from './dimensions.ts';
import { FlowBlock } from './flow-block.ts';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { JetBlock } from './jet-block.ts';
import { flowDirection } from './permutation.ts';

/** The flow F: X = Z⁰ → Z¹ → … → Zⁿ = Z. Not conditioned on the class. */
export class Flow extends Module implements TokenwiseMap {
  readonly blocks: readonly (FlowBlock | JetBlock)[];

  constructor(init: Init, config: ModelConfig) {
    super();
    const { tokens, channels } = dimensions(config);
    const { kind, blocks, layers, width, heads } = config.flow;
    const options = { tokens, channels, layers, width, heads };
    this.blocks = Array.from({ length: blocks }, (_, t) =>
      kind === 'jet'
        ? new JetBlock(init, { ...options, index: t })
        : new FlowBlock(init, { ...options, direction: flowDirection(t) }),
    );
  }

  /** X [B, N, d] → Z; log|det| is the sum over blocks. */
  forward(x: Tensor): Mapped {
    return this.#through(x, (block, latent) => block.forward(latent));
  }

  forwardTokens(x: Tensor): TokensMapped {
    return this.#through(x, (block, latent) => block.forwardTokens(latent));
  }

  #through(x: Tensor, step: (block: TokenwiseMap, latent: Tensor) => Mapped): Mapped {
    return scope(() =>
      this.blocks.reduce<Mapped | undefined>((sofar, block) => {
        const { z, logDet } = step(block, sofar?.z ?? x);
        return { z, logDet: sofar ? map('a + b', { a: sofar.logDet, b: logDet }) : logDet };
      }, undefined)!,
    );
  }

  inverse(z: Tensor): Tensor {
    return scope(() => this.blocks.reduceRight((latent, block) => block.inverse(latent), z));
  }
}
