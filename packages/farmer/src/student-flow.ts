import { assign, pad, scope, slice, type Tensor } from '@farmer/tensor';
import { Init, Module } from '@farmer/nn';
import { AffinePredictor, invertAffine } from './affine-predictor.ts';
import type { ModelConfig } from './config.ts';
import { dimensions } from './dimensions.ts';
import { FlowBlock, type FlowBlockOptions } from './flow-block.ts';
import { checkTokens, type Flow } from './flow.ts';
import { permuteTokens } from './permutation.ts';

/**
 * What a token's shift and scale are predicted from. 'bidirectional' (section 3.5): all tokens of the block's output,
 * its own among them. 'causal': those before it, which determine the exact shift and scale.
 */
export type StudentAttention = 'bidirectional' | 'causal';

/**
 * g_t: a block's approximate inverse in one parallel pass, with the parameters of a FlowBlock under the same names.
 * It has no log-determinant: likelihoods come from the teacher.
 *
 *     x_i = z_i · exp(a_i(z)) + μ_i(z);   the first token in reading order stays, as in the teacher
 */
export class StudentBlock extends AffinePredictor {
  readonly attention: StudentAttention;

  constructor(init: Init, options: FlowBlockOptions, attention: StudentAttention) {
    super(init, { ...options, outputs: 2 * options.channels }); // [μ, a]
    this.attention = attention;
  }

  /** z → x, all tokens at once; [B, N, d] both. */
  inverse(z: Tensor): Tensor {
    return scope(() => {
      const written = permuteTokens(z, this.direction);
      return permuteTokens(invertAffine(written, this.#affineParameters(written)), this.direction);
    });
  }

  /** [μ, a] of each token, [B, N, 2d]; zero, the identity, for the first. */
  #affineParameters(tokens: Tensor): Tensor {
    const causal = this.attention === 'causal';
    const predicted = this.predict(tokens, { causal });
    const count = predicted.shape[1]!;
    // Shifted by one, position i speaks of token i + 1; else each of itself.
    const [start, end] = causal ? [0, count - 1] : [1, count];
    return pad(slice(predicted, { axis: 1, start, end }), [
      [0, 0],
      [1, 0],
      [0, 0],
    ]);
  }
}

/** The student G = g_1 ∘ … ∘ g_n of one-step distillation (section 3.5): X ≈ G(Z) in n parallel passes. */
export class StudentFlow extends Module {
  readonly attention: StudentAttention;
  readonly blocks: readonly StudentBlock[];
  /** Of an image: [N, d]. */
  readonly #shape: readonly [number, number];

  /**
   * A student with a copy of the teacher's weights.
   * @throws Error for a flow of other blocks than the autoregressive ones
   */
  constructor(teacher: Flow, config: ModelConfig, attention: StudentAttention = 'bidirectional') {
    super();
    if (!teacher.blocks.every((block) => block instanceof FlowBlock)) {
      throw new Error(
        'this flow has blocks that are not autoregressive: their inverse is one pass already, with nothing to distil',
      );
    }
    const { tokens, channels } = dimensions(config);
    const init = new Init(0); // of weights that the teacher's replace
    this.attention = attention;
    this.#shape = [tokens, channels];
    this.blocks = teacher.blocks.map(
      ({ direction }) =>
        new StudentBlock(init, { ...config.flow, tokens, channels, direction }, attention),
    );
    const weights = teacher.namedParameters();
    for (const [name, parameter] of this.namedParameters()) assign(parameter, weights.get(name)!);
  }

  /**
   * Z [B, N, d] → X.
   * @throws ShapeError for other shapes
   */
  inverse(z: Tensor): Tensor {
    checkTokens('StudentFlow', z, this.#shape);
    return scope(() => this.blocks.reduceRight((latent, block) => block.inverse(latent), z));
  }

  /** What each block makes of the one after it: Z̃⁰ … Z̃ⁿ⁻¹ from Z̃ⁿ, [B, N, d] each, in the order of the blocks. */
  inversePath(z: Tensor): Tensor[] {
    checkTokens('StudentFlow', z, this.#shape);
    return scope(() => {
      const path: Tensor[] = [];
      let latent = z;
      for (const block of [...this.blocks].reverse()) {
        latent = block.inverse(latent);
        path.unshift(latent);
      }
      return path;
    });
  }
}
