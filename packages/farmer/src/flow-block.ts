import {
  affineFlow,
  cacheWrite,
  map,
  scope,
  slice,
  sum,
  tensor,
  zeros,
  type Tensor,
} from '@farmer/tensor';
import { LayerNorm, Linear, Module, Transformer, createKeyValueCache, type Init } from '@farmer/nn';
import type { Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
import { permuteTokens, permuteTokenValues, type Direction } from './permutation.ts';
import { advance, repeatStep, rowAt, type DecodingOptions } from './repeat-step.ts';

export interface FlowBlockOptions {
  readonly tokens: number;
  readonly channels: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly direction: Direction;
}

/**
 * One autoregressive affine map (eq. 8-10). With tokens in reading order, a causal Transformer predicts shift μ and
 * log-scale a = −log σ of each token from those before it; the first token stays:
 *
 *     z_i = (x_i − μ(x_<i)) · exp(−a(x_<i)),   log|det| = −Σ_i Σ_j a_ij
 */
export class FlowBlock extends Module implements TokenwiseMap {
  readonly direction: Direction;
  readonly inputProjection: Linear;
  /** [N, width], tied to image location whatever the direction. */
  readonly position: Tensor;
  readonly transformer: Transformer;
  readonly outputNorm: LayerNorm;
  /** To [μ, a]; starts at zero, so that the block starts as the identity. */
  readonly outputProjection: Linear;

  constructor(init: Init, options: FlowBlockOptions) {
    super();
    const { tokens, channels, width } = options;
    this.direction = options.direction;
    this.inputProjection = new Linear(init, channels, width);
    this.position = init.normal([tokens, width], 0.02);
    this.transformer = new Transformer(init, options);
    this.outputNorm = new LayerNorm(init, width);
    this.outputProjection = new Linear(init, width, 2 * channels, { zero: true });
  }

  /** x → z, all tokens at once. */
  forward(x: Tensor): Mapped {
    return scope(() => {
      const { z, logDet } = this.#read(x);
      return { z, logDet: sum(logDet, { axes: [1] }) };
    });
  }

  forwardTokens(x: Tensor): TokensMapped {
    return scope(() => {
      const { z, logDet } = this.#read(x);
      return { z, logDet: permuteTokenValues(logDet, this.direction) };
    });
  }

  /** z in image order, and the log-det of each token in reading order. */
  #read(x: Tensor): Mapped {
    const read = permuteTokens(x, this.direction); // [B, N, d]
    const hidden = this.transformer.forward(this.#embed(read), { causal: true });
    const { z, logDet } = affineFlow(read, this.#affineParameters(hidden));
    return { z: permuteTokens(z, this.direction), logDet };
  }

  /** z → x, one token after another, with cached keys and values. */
  inverse(z: Tensor, options: DecodingOptions = {}): Tensor {
    return scope(() => {
      const written = permuteTokens(z, this.direction);
      const [batch, tokens, channels] = written.shape as [number, number, number];
      const { blocks, width } = this.transformer;
      const caches = createKeyValueCache(batch, tokens, width, blocks.length);
      const position = tensor([0], [1], 'u32');
      const places = permuteTokens(this.position, this.direction);
      const x = zeros(written.shape);
      cacheWrite(x, slice(written, { axis: 1, end: 1 }), position); // x_1 = z_1
      const step = () => {
        const place = rowAt(places, position, 0); // [1, W]
        const token = rowAt(x, position, 1); // [B, 1, d]
        const embedded = map('h + place', { h: this.inputProjection.forward(token), place });
        const hidden = this.transformer.step(embedded, caches, position);
        const affine = this.#affineParameters(hidden);
        advance(position);
        const next = map('z * exp(a) + mu', {
          z: rowAt(written, position, 1),
          a: slice(affine, { axis: 2, start: channels }),
          mu: slice(affine, { axis: 2, end: channels }),
        });
        cacheWrite(x, next, position);
      };
      repeatStep(tokens - 1, step, options);
      return permuteTokens(x, this.direction);
    });
  }

  #embed(tokens: Tensor): Tensor {
    const place = permuteTokens(this.position, this.direction);
    return map('h + place', { h: this.inputProjection.forward(tokens), place });
  }

  #affineParameters(hidden: Tensor): Tensor {
    return this.outputProjection.forward(this.outputNorm.forward(hidden)); // [B, N, 2d]
  }
}
