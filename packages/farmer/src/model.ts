import { map, scope, sum, type Tensor } from '@farmer/tensor';
import { Init, Module } from '@farmer/nn';
import { AutoregressivePrior } from './ar-prior.ts';
import { ArTransformer } from './ar-transformer.ts';
import { parseModelConfig, type ModelConfig } from './config.ts';
import { joinChannels, splitChannels, type SplitTokens } from './dimension-split.ts';
import { dimensions, type Dimensions } from './dimensions.ts';
import { Flow } from './flow.ts';
import { GaussianPrior } from './gaussian-prior.ts';
import { labelTensor } from './labels.ts';
import { PatchTransform } from './patch-transform.ts';
import { patchify, unpatchify } from './patchify.ts';
import { arDirection, permuteTokens, type Direction } from './permutation.ts';
import type { LatentLogLikelihood, Prior } from './prior.ts';

/** log p(x) in nats, of each image or of each token; the total is the sum of the parts (eq. 14). */
export interface LogLikelihood extends LatentLogLikelihood {
  /** log|det ∂Z/∂X| */
  readonly logDet: Tensor;
}

/** FARMER: an invertible flow F and an autoregressive model of what it makes of an image. */
export class Farmer extends Module {
  readonly config: ModelConfig;
  readonly dimensions: Dimensions;
  readonly flow: Flow;
  /** Undefined where the prior is a plain Gaussian (config key `prior`). */
  readonly ar: ArTransformer | undefined;
  readonly prior: Prior;
  readonly #transform: PatchTransform;

  /**
   * @param init draws the initial weights; or a seed for one
   * @throws ConfigError naming the key of `config` that is out of range, or does not fit the others
   */
  constructor(config: ModelConfig, init: Init | number) {
    super();
    const drawn = typeof init === 'number' ? new Init(init) : init;
    const checked = parseModelConfig(config, 'new Farmer');
    this.config = checked;
    this.dimensions = dimensions(checked);
    this.flow = new Flow(drawn, checked);
    this.ar = checked.prior === 'ar' ? new ArTransformer(drawn, checked) : undefined;
    this.prior = this.ar
      ? new AutoregressivePrior(this.ar, checked)
      : new GaussianPrior(this.dimensions);
    this.#transform = new PatchTransform(checked);
  }

  /**
   * Whether a backward pass computes the insides of the Transformers' blocks again instead of keeping them: less
   * memory, the same gradients. Set it before a step is captured.
   */
  set recompute(value: boolean) {
    for (const block of this.flow.blocks) block.transformer.recompute = value;
    if (this.ar) this.ar.transformer.recompute = value;
  }

  /** The label that stands for "no class". */
  get nullClass(): number {
    return this.config.classes;
  }

  /**
   * The labels of a batch, for sampling and likelihoods.
   * @param classes of each image, 0 … classes − 1, or `nullClass`
   * @returns i32 [B]
   * @throws RangeError naming a class that the model does not know
   */
  labels(classes: ArrayLike<number>): Tensor {
    return labelTensor(classes, this.config.classes);
  }

  /** @throws Error for a model that has no AR Transformer */
  requireAr(): ArTransformer {
    if (this.ar) return this.ar;
    throw new Error(
      `this model has no AR Transformer: its model.prior is "${this.config.prior}"; "ar" would give it one`,
    );
  }

  /** The order in which the AR model reads tokens. */
  get readingDirection(): Direction {
    return arDirection(this.flow.blocks.length, this.config.finalPermutation);
  }

  override dispose(): void {
    super.dispose();
    this.#transform.dispose();
  }

  /** Images as the pixel map gives them, [B, H, W, C], to X [B, N, d]. */
  tokens(images: Tensor): Tensor {
    return scope(() => this.#transform.forward(patchify(images, this.config)));
  }

  /** X [B, N, d] to images [B, H, W, C]. */
  images(tokens: Tensor): Tensor {
    return scope(() => unpatchify(this.#transform.inverse(tokens), this.config));
  }

  /** Z in image order → Zᴵ and Zᴿ in reading order. */
  split(z: Tensor): SplitTokens {
    return splitChannels(permuteTokens(z, this.readingDirection), this.dimensions.informative);
  }

  /** Zᴵ and Zᴿ in reading order → Z in image order. */
  join(parts: SplitTokens): Tensor {
    return permuteTokens(joinChannels(parts), this.readingDirection);
  }

  /**
   * Exact log-likelihood (eq. 14).
   * @param images values of the pixel map, [B, H, W, C] with padding
   * @param labels i32 [B]
   * @returns [B] each
   */
  logLikelihood(images: Tensor, labels: Tensor): LogLikelihood {
    return scope(() => {
      const { z, logDet } = this.flow.forward(this.tokens(images));
      return { ...this.latentLogLikelihood(z, labels), logDet };
    });
  }

  /** log P(Z | c) = log P(Zᴵ | c) + log P(Zᴿ | Zᴵ, c), [B] each. */
  latentLogLikelihood(z: Tensor, labels: Tensor): LatentLogLikelihood {
    return scope(() => {
      const { informative, redundant } = this.prior.logLikelihood(this.split(z), labels);
      return {
        informative: sum(informative, { axes: [1] }), // [B, N] → [B]
        redundant: redundant && sum(redundant, { axes: [1] }),
      };
    });
  }
}

/** The sum of the parts: log p(x) of each image, [B], in nats. */
export function totalLogLikelihood({ informative, redundant, logDet }: LogLikelihood): Tensor {
  return redundant
    ? map('i + r + d', { i: informative, r: redundant, d: logDet })
    : map('i + d', { i: informative, d: logDet });
}
