import { scope, tensor, type Tensor } from '@farmer/tensor';
import type { ModelConfig } from './config.ts';
import type { PixelMap } from './dequantize.ts';
import { paddedSize } from './dimensions.ts';
import { bitsPerDim } from './likelihood.ts';
import type { Farmer, LogLikelihood } from './model.ts';
import { permuteTokenValues } from './permutation.ts';

/**
 * What each token adds to log p(x), in nats. Tokens of a latent stand where their patch stands: z_i is a function of
 * patch i and of the patches that the flow's blocks read before it.
 * @param images values of the pixel map, [B, H, W, C] with padding
 * @param labels i32 [B]
 * @returns [B, N] each, in image order; their sums over N are `model.logLikelihood`
 */
export function tokenLogLikelihood(model: Farmer, images: Tensor, labels: Tensor): LogLikelihood {
  return scope(() => {
    const { z, logDet } = model.flow.forwardTokens(model.tokens(images));
    const { informative, redundant } = model.prior.logLikelihood(model.split(z), labels);
    const inImageOrder = (values: Tensor) => permuteTokenValues(values, model.readingDirection);
    return {
      informative: inImageOrder(informative),
      redundant: redundant && inImageOrder(redundant),
      logDet,
    };
  });
}

/**
 * Bits per dimension of each token: its share of −log2 p(x) over its share of the image's dimensions, so that an image's
 * bits per dimension are the mean over its tokens. B × N values each, row-major; the parts add up to the total.
 */
export interface TokenScores {
  readonly total: Float64Array;
  readonly informative: Float64Array;
  readonly redundant: Float64Array;
  /** Of the flow. */
  readonly logDet: Float64Array;
  /** Of the pixel map. */
  readonly pixels: Float64Array;
}

/** A few images, and what their score depends on beside the model. */
export interface ScoredImages {
  /** Bytes of whole images, B × D. */
  readonly pixels: Uint8Array;
  /** Uniform in [0, 1), a number for each value of the padded images, B × N·d. */
  readonly noise: ArrayLike<number>;
  /** The class of each image, or the null class. */
  readonly labels: ArrayLike<number>;
}

/**
 * Scores the tokens of a few images.
 * @param map of pixels, as `scoringMap` gives it
 * @throws RangeError naming a class that the model does not know
 */
export async function scoreTokens(
  model: Farmer,
  map: PixelMap,
  { pixels, noise, labels }: ScoredImages,
): Promise<TokenScores> {
  const { tokens, imageValues } = model.dimensions;
  const { height, width } = paddedSize(model.config);
  const count = labels.length;
  const { values } = map.forward(pixels, noise);
  const nats = scope(() =>
    tokenLogLikelihood(
      model,
      tensor(values, [count, height, width, model.config.image.channels]),
      model.labels(labels),
    ),
  );
  const inBits = (x: ArrayLike<number>) =>
    Float64Array.from(x, (value) => bitsPerDim(value, imageValues / tokens));
  const read = async (part: Tensor | undefined) =>
    part ? inBits(await part.data()) : new Float64Array(count * tokens);
  const parts = {
    informative: await read(nats.informative),
    redundant: await read(nats.redundant),
    logDet: await read(nats.logDet),
    pixels: inBits(sumPatches(map.logDets(pixels, values), model.config)),
  };
  for (const part of Object.values(nats) as (Tensor | undefined)[]) part?.dispose();
  const total = new Float64Array(count * tokens);
  for (const part of Object.values(parts)) part.forEach((bits, i) => (total[i]! += bits));
  return { total, ...parts };
}

/** Values of padded images, B × N·d, summed over each patch: B × N. */
function sumPatches(values: Float64Array, config: ModelConfig): Float64Array {
  const { patch, image } = config;
  const { width } = paddedSize(config);
  const columns = width / patch;
  const perToken = patch * patch * image.channels;
  const sums = new Float64Array(values.length / perToken);
  values.forEach((value, i) => {
    const pixel = Math.floor(i / image.channels);
    const row = Math.floor(pixel / width); // counts on over images, whose heights the patch divides
    sums[Math.floor(row / patch) * columns + Math.floor((pixel % width) / patch)]! += value;
  });
  return sums;
}
