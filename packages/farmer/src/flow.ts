import { formatShape, map, sameShape, scope, ShapeError, type Tensor } from '@farmer/tensor';
import { Module, type Init } from '@farmer/nn';
import type { ModelConfig } from './config.ts';
import { dimensions } from './dimensions.ts';
import { FlowBlock } from './flow-block.ts';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { JetBlock } from './jet-block.ts';
import { flowDirection } from './permutation.ts';

/**
 * The flow F = f_n ∘ … ∘ f_1: X = Z⁰ → Z¹ → … → Zⁿ = Z (eq. 8-10). It is not conditioned on the class: so its parameters
 * are as many as table 1 says.
 */
export class Flow extends Module implements TokenwiseMap {
  readonly blocks: readonly (FlowBlock | JetBlock)[];
  /** Of an image: [N, d]. */
  readonly #shape: readonly [number, number];

  constructor(init: Init, config: ModelConfig) {
    super();
    const { tokens, channels } = dimensions(config);
    this.#shape = [tokens, channels];
    const { kind, blocks, layers, width, heads } = config.flow;
    const options = { tokens, channels, layers, width, heads };
    this.blocks = Array.from({ length: blocks }, (_, t) =>
      kind === 'jet'
        ? new JetBlock(init, { ...options, index: t })
        : new FlowBlock(init, { ...options, direction: flowDirection(t) }),
    );
  }

  /**
   * X [B, N, d] → Z; log|det| is the sum over blocks.
   * @throws ShapeError for other shapes
   */
  forward(x: Tensor): Mapped {
    return this.#through(x, (block, latent) => block.forward(latent));
  }

  /** `forward` with the log-det of each token. */
  forwardTokens(x: Tensor): TokensMapped {
    return this.#through(x, (block, latent) => block.forwardTokens(latent));
  }

  #through(x: Tensor, step: (block: TokenwiseMap, latent: Tensor) => Mapped): Mapped {
    checkTokens('Flow', x, this.#shape);
    return scope(() =>
      this.blocks.reduce<Mapped | undefined>((sofar, block) => {
        const { z, logDet } = step(block, sofar?.z ?? x);
        return { z, logDet: sofar ? map('a + b', { a: sofar.logDet, b: logDet }) : logDet };
      }, undefined)!,
    );
  }

  /**
   * Z [B, N, d] → X.
   * @throws ShapeError for other shapes
   */
  inverse(z: Tensor): Tensor {
    checkTokens('Flow', z, this.#shape);
    return scope(() => this.blocks.reduceRight((latent, block) => block.inverse(latent), z));
  }
}

/**
 * @param flow names what takes the tokens in errors
 * @param expected of an image: [N, d]
 * @throws ShapeError unless they are [B, N, d]
 */
export function checkTokens(flow: string, tokens: Tensor, expected: readonly number[]): void {
  if (tokens.rank === 3 && sameShape(tokens.shape.slice(1), expected)) return;
  throw new ShapeError(
    `${flow}: tokens are ${formatShape(tokens.shape)}, expected [B, ${expected.join(', ')}]`,
  );
}
