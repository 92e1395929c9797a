import { map, slice, type Tensor } from '@farmer/tensor';
import { LayerNorm, Linear, Module, Transformer, type Init } from '@farmer/nn';
import { permuteTokens, type Direction } from './permutation.ts';

export interface AffinePredictorOptions {
  /** N */
  readonly tokens: number;
  /** Channels of a token that is read. */
  readonly channels: number;
  /** Parameters predicted for a token: shifts, then log-scales. */
  readonly outputs: number;
  readonly layers: number;
  /** W, channels of a hidden state. */
  readonly width: number;
  readonly heads: number;
  /** The order in which tokens are read. */
  readonly direction: Direction;
}

/** What every block of a flow is made of: a Transformer over tokens that predicts the parameters of an affine map. */
export abstract class AffinePredictor extends Module {
  readonly direction: Direction;
  readonly inputProjection: Linear;
  /** [N, W], tied to image location whatever the direction. */
  readonly position: Tensor;
  readonly transformer: Transformer;
  readonly outputNorm: LayerNorm;
  /** Starts at zero, so that the block starts as the identity. */
  readonly outputProjection: Linear;

  constructor(init: Init, options: AffinePredictorOptions) {
    super();
    const { tokens, channels, outputs, width } = options;
    this.direction = options.direction;
    this.inputProjection = new Linear(init, channels, width);
    this.position = init.normal([tokens, width], 0.02);
    this.transformer = new Transformer(init, options);
    this.outputNorm = new LayerNorm(init, width);
    this.outputProjection = new Linear(init, width, outputs, { zero: true });
  }

  /** @param tokens [B, N, d] in reading order; @returns the parameters that each position predicts, [B, N, outputs] */
  protected predict(tokens: Tensor, options: { causal: boolean }): Tensor {
    const place = permuteTokens(this.position, this.direction);
    return this.project(this.transformer.forward(this.embed(tokens, place), options));
  }

  /** Tokens [B, n, d] and the embeddings of their positions [n, W] → [B, n, W]. */
  protected embed(tokens: Tensor, place: Tensor): Tensor {
    return this.inputProjection.forward(tokens, { residual: place });
  }

  /** Hidden states [B, n, W] → [B, n, outputs]. */
  protected project(hidden: Tensor): Tensor {
    return this.outputProjection.forward(this.outputNorm.forward(hidden));
  }
}

/**
 * x = z · exp(a) + μ, the inverse of the affine map (eq. 8-10).
 * @param z [B, n, d]
 * @param parameters [B, n, 2d]: [μ, a] of the same tokens
 */
export function invertAffine(z: Tensor, parameters: Tensor): Tensor {
  const channels = z.shape[2]!;
  return map('z * exp(a) + mu', {
    z,
    a: slice(parameters, { axis: 2, start: channels }),
    mu: slice(parameters, { axis: 2, end: channels }),
  });
}
