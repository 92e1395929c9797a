import { gaussianMixtureLogProb, map, reshape, scope, sum, type Tensor } from '@farmer/tensor';
import { Init, Module } from '@farmer/nn';
import { ArTransformer } from './ar-transformer.ts';
import { dimensions, type Dimensions, type ModelConfig } from './config.ts';
import { joinChannels, splitChannels } from './dimension-split.ts';
import { Flow } from './flow.ts';
import { PatchTransform } from './patch-transform.ts';
import { patchify, unpatchify } from './patchify.ts';
import { arDirection, permuteTokens, type Direction } from './permutation.ts';

/** log p(x) of each image in nats, [B] each; the total is their sum (eq. 14). */
export interface LogLikelihood {
  /** Σ_i log p(zᴵ_i | zᴵ_<i, c) */
  readonly informative: Tensor;
  /** Σ_i log p(zᴿ_i | Zᴵ, c); undefined without redundant channels. */
  readonly redundant: Tensor | undefined;
  /** log|det ∂Z/∂X| */
  readonly logDet: Tensor;
}

/** FARMER: an invertible flow F and an autoregressive model of what it makes of an image. */
export class Farmer extends Module {
  readonly config: ModelConfig;
  readonly dimensions: Dimensions;
  readonly flow: Flow;
  readonly ar: ArTransformer;
  readonly #transform: PatchTransform;

  /** @param seed of the initial weights */
  constructor(config: ModelConfig, seed: number) {
    super();
    const init = new Init(seed);
    this.config = config;
    this.dimensions = dimensions(config);
    this.flow = new Flow(init, config);
    this.ar = new ArTransformer(init, config);
    this.#transform = new PatchTransform(config);
  }

  /** The order in which the AR model reads tokens. */
  get readingDirection(): Direction {
    return arDirection(this.flow.blocks.length, this.config.finalPermutation);
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
  split(z: Tensor) {
    return splitChannels(permuteTokens(z, this.readingDirection), this.dimensions.informative);
  }

  /** Zᴵ and Zᴿ in reading order → Z in image order. */
  join(parts: Parameters<typeof joinChannels>[0]): Tensor {
    return permuteTokens(joinChannels(parts), this.readingDirection);
  }

  /**
   * Exact log-likelihood (eq. 14).
   * @param images values of the pixel map, [B, H, W, C]
   * @param labels i32 [B]
   */
  logLikelihood(images: Tensor, labels: Tensor): LogLikelihood {
    return scope(() => {
      const { z, logDet } = this.flow.forward(this.tokens(images));
      return { ...this.latentLogLikelihood(z, labels), logDet };
    });
  }

  /** log P(Z | c) = log P(Zᴵ | c) + log P(Zᴿ | Zᴵ, c), [B] each. */
  latentLogLikelihood(z: Tensor, labels: Tensor): Omit<LogLikelihood, 'logDet'> {
    return scope(() => {
      const { components, sharedComponents } = this.config;
      const { tokens, informative } = this.dimensions;
      const batch = z.shape[0]!;
      const parts = this.split(z);
      const predicted = this.ar.forward(parts.informative, labels);

      const each = gaussianMixtureLogProb(
        reshape(parts.informative, [batch * tokens, 1, informative]),
        reshape(predicted.informative, [batch * tokens, -1]),
        { components },
      );
      const logInformative = sum(reshape(each, [batch, tokens]), { axes: [1] });
      if (!parts.redundant) return { informative: logInformative, redundant: undefined };
      const shared = gaussianMixtureLogProb(parts.redundant, predicted.shared!, {
        components: sharedComponents,
      }); // [B, N]
      return { informative: logInformative, redundant: sum(shared, { axes: [1] }) };
    });
  }
}

/** The sum of the parts: log p(x) of each image, [B], in nats. */
export function totalLogLikelihood({ informative, redundant, logDet }: LogLikelihood): Tensor {
  return redundant
    ? map('i + r + d', { i: informative, r: redundant, d: logDet })
    : map('i + d', { i: informative, d: logDet });
}
