import type { Tensor } from '@farmer/tensor';

/** What an invertible map gives: z = f(x), and log|det ∂z/∂x| for each item of the batch. */
export interface Mapped {
  readonly z: Tensor;
  /** [B], in nats. */
  readonly logDet: Tensor;
}

/** A bijection of batches of token sequences, B × N × d. */
export interface InvertibleMap {
  forward(x: Tensor): Mapped;
  inverse(z: Tensor): Tensor;
}

/** The same with the log-determinant shared out over tokens. */
export interface TokensMapped {
  readonly z: Tensor;
  /** [B, N] in image order, in nats: what each token adds to log|det|. */
  readonly logDet: Tensor;
}

/** A bijection that knows which token adds what to its log-determinant. */
export interface TokenwiseMap extends InvertibleMap {
  forwardTokens(x: Tensor): TokensMapped;
}
