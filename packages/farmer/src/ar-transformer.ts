import { concat, map, reshape, scope, slice, type Tensor } from '@farmer/tensor';
import {
  Embedding,
  LayerNorm,
  Linear,
  Module,
  Transformer,
  type Init,
  type KeyValueCache,
} from '@farmer/nn';
import type { ModelConfig } from './config.ts';
import { dimensions } from './dimensions.ts';
import { mixtureHeadBias, mixtureHeadWidth } from './gaussian-mixture.ts';
import { advance, rowAt } from './repeat-step.ts';

/** Packed mixture parameters predicted by the AR model. */
export interface Predictions {
  /** GMM_i of each informative token: [B, N, K(1 + 2dᴵ)]. */
  readonly informative: Tensor;
  /**
   * GMM_{N+1}, shared by all redundant tokens: [B, K_R(1 + 2dᴿ)]; undefined without redundant channels, and where
   * these are an independent Gaussian.
   */
  readonly shared: Tensor | undefined;
}

/**
 * The autoregressive Transformer over [c × M, zᴵ_1 … zᴵ_N] (eq. 11, 14), tokens in reading order. The position before
 * zᴵ_i predicts its mixture; the last position predicts the mixture that the redundant tokens share.
 */
export class ArTransformer extends Module {
  /** M */
  readonly conditionRepeat: number;
  /** N */
  readonly tokens: number;
  /** One embedding c a class, and the null class's last. */
  readonly classEmbedding: Embedding;
  readonly inputProjection: Linear;
  /** [M + N, W] */
  readonly position: Tensor;
  readonly transformer: Transformer;
  readonly outputNorm: LayerNorm;
  readonly informativeHead: Linear;
  readonly sharedHead: Linear | undefined;

  constructor(init: Init, config: ModelConfig) {
    super();
    const { tokens, informative, redundant } = dimensions(config);
    const { ar, classes, components, sharedComponents, conditionRepeat, redundantPrior } = config;
    const { width } = ar;
    this.conditionRepeat = conditionRepeat;
    this.tokens = tokens;
    this.classEmbedding = new Embedding(init, classes + 1, width);
    this.inputProjection = new Linear(init, informative, width);
    this.position = init.normal([conditionRepeat + tokens, width], 0.02);
    this.transformer = new Transformer(init, ar);
    this.outputNorm = new LayerNorm(init, width);
    this.informativeHead = mixtureHead(init, width, components, informative);
    this.sharedHead =
      redundant > 0 && redundantPrior === 'conditional-mixture'
        ? mixtureHead(init, width, sharedComponents, redundant)
        : undefined;
  }

  /**
   * @param informative Zᴵ [B, N, dᴵ] in reading order
   * @param labels i32 [B]; `Farmer.nullClass` for none
   */
  forward(informative: Tensor, labels: Tensor): Predictions {
    return scope(() => {
      const tokens = this.inputProjection.forward(informative); // [B, N, W]
      const sequence = concat([this.#conditions(labels), tokens], 1); // [B, M + N, W]
      const embedded = map('h + place', { h: sequence, place: this.position });
      const hidden = this.outputNorm.forward(this.transformer.forward(embedded, { causal: true }));
      const before = this.conditionRepeat - 1; // the last condition predicts zᴵ_1
      const end = before + this.tokens;
      const predicting = slice(hidden, { axis: 1, start: before, end }); // [B, N, W]
      return {
        informative: this.informativeHead.forward(predicting),
        shared: this.predictShared(slice(hidden, { axis: 1, start: end, end: end + 1 })),
      };
    });
  }

  /**
   * Reads the class, for cached decoding: fills positions 0 … M−1 of the caches, and sets the position to M.
   * @param position u32 [1]
   * @returns the hidden state that predicts zᴵ_1, [B, 1, W]
   */
  start(labels: Tensor, caches: readonly KeyValueCache[], position: Tensor): Tensor {
    return scope(() => {
      position.write([0]);
      const place = slice(this.position, { axis: 0, end: this.conditionRepeat });
      const embedded = map('c + place', { c: this.#conditions(labels), place });
      const hidden = this.#step(embedded, caches, position);
      position.write([this.conditionRepeat]);
      return slice(hidden, { axis: 1, start: this.conditionRepeat - 1 });
    });
  }

  /**
   * Reads the token at the position, [B, 1, dᴵ], for cached decoding, and moves the position on. It can be captured.
   * @returns the hidden state that predicts what follows, [B, 1, W]
   */
  next(token: Tensor, caches: readonly KeyValueCache[], position: Tensor): Tensor {
    return scope(() => {
      const place = rowAt(this.position, position, 0); // [1, W]
      const embedded = this.inputProjection.forward(token, { residual: place });
      const hidden = this.#step(embedded, caches, position);
      advance(position);
      return hidden;
    });
  }

  /** The mixture of a token from the hidden state before it: [B, 1, W] → [B, K(1 + 2dᴵ)]. */
  predictToken(hidden: Tensor): Tensor {
    return this.informativeHead.forward(reshape(hidden, [hidden.shape[0]!, -1]));
  }

  /** The mixture that the redundant tokens share, from the hidden state after the last token; `Predictions.shared`. */
  predictShared(hidden: Tensor): Tensor | undefined {
    return this.sharedHead?.forward(reshape(hidden, [hidden.shape[0]!, -1]));
  }

  #step(embedded: Tensor, caches: readonly KeyValueCache[], position: Tensor): Tensor {
    return this.outputNorm.forward(this.transformer.step(embedded, caches, position));
  }

  /** The class embedding M times: identical copies, told apart by position. [B, M, W] */
  #conditions(labels: Tensor): Tensor {
    const c = reshape(this.classEmbedding.forward(labels), [labels.size, 1, -1]);
    return concat(Array<Tensor>(this.conditionRepeat).fill(c), 1);
  }
}

function mixtureHead(init: Init, width: number, components: number, channels: number): Linear {
  const head = new Linear(init, width, mixtureHeadWidth(components, channels));
  head.bias!.write(mixtureHeadBias(components, channels, init.normals(components * channels)));
  return head;
}
