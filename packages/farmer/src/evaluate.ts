import { philoxUniforms, scope, tensor } from '@farmer/tensor';
import { sequentialBatches } from './data/batches.ts';
import { imagesAt, type ImageDataset } from './data/image-dataset.ts';
import { checkDataset, checkImages, type ModelConfig } from './config.ts';
import { pixelMap, type PixelMap } from './dequantize.ts';
import { paddedSize } from './dimensions.ts';
import { bitsPerDim } from './likelihood.ts';
import type { Farmer } from './model.ts';
import type { PixelHistogram } from './histogram.ts';

/** Bits per dimension of one image, and its parts in the same unit; the parts add up to the total. */
export interface ImageScore {
  readonly total: number;
  readonly informative: number;
  readonly redundant: number;
  /** Of the flow. */
  readonly logDet: number;
  /** Of the pixel map. */
  readonly pixels: number;
}

export interface Evaluation {
  readonly bitsPerDim: number;
  /** Standard error of the mean over images. */
  readonly standardError: number;
  readonly images: number;
  /** Draws of the dequantisation noise for each image. */
  readonly draws: number;
  /** Means of the parts. */
  readonly parts: Omit<ImageScore, 'total'>;
}

export interface EvaluationOptions {
  /** Images at once; default 250. Another batch draws other noise. */
  readonly batch?: number;
  /** Draws of the noise for each image; default 1. */
  readonly draws?: number;
  /** Of the noise; default 0. */
  readonly seed?: number;
  /** Score under the null class instead of each image's own. */
  readonly unconditional?: boolean;
  readonly onProgress?: (imagesDone: number) => void;
}

/**
 * Exact bits per dimension under uniform dequantisation (method, section 7), whatever noise the model was trained
 * with: an upper bound for the discrete images, which for padded ones counts the padding too (padded-pixels.ts).
 * @param histogram of the training images, whatever the dataset
 * @throws ConfigError for a dataset that does not fit the model; see `scoreImages`
 */
export async function evaluate(
  model: Farmer,
  histogram: PixelHistogram,
  dataset: ImageDataset,
  options: EvaluationOptions = {},
): Promise<Evaluation> {
  const { draws = 1, onProgress } = options;
  const sums = new Float64Array(dataset.count);
  const parts = { informative: 0, redundant: 0, logDet: 0, pixels: 0 };
  for (let draw = 0; draw < draws; draw++) {
    for await (const { index, score } of scoreImages(model, histogram, dataset, options, draw)) {
      sums[index]! += score.total / draws;
      for (const name of ['informative', 'redundant', 'logDet', 'pixels'] as const) {
        parts[name] += score[name] / (draws * dataset.count);
      }
      if ((index + 1) % 500 === 0) onProgress?.(draw * dataset.count + index + 1);
    }
  }
  const mean = sums.reduce((a, b) => a + b, 0) / dataset.count;
  const variance = sums.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, dataset.count - 1);
  return {
    bitsPerDim: mean,
    standardError: Math.sqrt(variance / dataset.count),
    images: dataset.count,
    draws,
    parts,
  };
}

/** Training noise may be Gaussian; likelihoods of pixels are defined under uniform noise. */
export function scoringMap(config: ModelConfig, histogram: PixelHistogram): PixelMap {
  const pixels = config.pixels === 'gaussian' ? 'uniform' : config.pixels;
  return pixelMap({ ...config, pixels }, histogram, 0);
}

/**
 * Scores every image of a dataset, in order, under draw number `draw` of the noise.
 * @throws ConfigError for images of another size, and classes that the model does not know unless it scores under none
 */
export async function* scoreImages(
  model: Farmer,
  histogram: PixelHistogram,
  dataset: ImageDataset,
  { batch = 250, seed = 0, unconditional = false }: EvaluationOptions = {},
  draw = 0,
): AsyncGenerator<{ index: number; score: ImageScore }> {
  if (unconditional) checkImages(model.config, dataset);
  else checkDataset(model.config, dataset);
  const { height, width } = paddedSize(model.config);
  const { values, imageValues } = model.dimensions;
  const map = scoringMap(model.config, histogram);
  for (const [step, indices] of [...sequentialBatches(dataset.count, batch)].entries()) {
    const { images, labels } = imagesAt(dataset, indices);
    const count = indices.length;
    const mapped = map.forward(images, philoxUniforms(seed, step, draw, count * values));
    const result = scope(() =>
      model.logLikelihood(
        tensor(mapped.values, [count, height, width, dataset.channels]),
        tensor(
          unconditional ? new Int32Array(count).fill(model.nullClass) : labels,
          [count],
          'i32',
        ),
      ),
    );
    const informative = await result.informative.data();
    const redundant = result.redundant ? await result.redundant.data() : new Float32Array(count);
    const logDet = await result.logDet.data();
    for (const tensor of Object.values(result)) tensor?.dispose();
    for (let i = 0; i < count; i++) {
      const nats = [informative[i]!, redundant[i]!, logDet[i]!, mapped.logDet[i]!];
      const [a, b, c, d] = nats.map((x) => bitsPerDim(x, 0, imageValues));
      yield {
        index: indices[i]!,
        score: { total: a! + b! + c! + d!, informative: a!, redundant: b!, logDet: c!, pixels: d! },
      };
    }
  }
}
