import { philoxUniforms, scope, tensor } from '@farmer/tensor';
import { checkDataset, checkImages, type ModelConfig } from './config.ts';
import { sequentialBatches } from './data/batches.ts';
import { imagesAt, type ImageDataset } from './data/image-dataset.ts';
import { pixelMap, type PixelMap } from './dequantize.ts';
import { paddedSize } from './dimensions.ts';
import type { PixelHistogram } from './histogram.ts';
import { bitsPerDim } from './likelihood.ts';
import type { Farmer } from './model.ts';

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
  /** Standard error of the mean over images; NaN for a single one. */
  readonly standardError: number;
  readonly images: number;
  /** Draws of the dequantisation noise for each image. */
  readonly draws: number;
  /** Means of the parts. */
  readonly parts: Omit<ImageScore, 'total'>;
}

export interface ScoringOptions {
  /** Images at once; default 250. Another batch draws other noise. */
  readonly batch?: number;
  /** Of the noise; default 0. */
  readonly seed?: number;
  /** Score under the null class instead of each image's own. */
  readonly unconditional?: boolean;
}

export interface EvaluationOptions extends ScoringOptions {
  /** Draws of the noise for each image; default 1. */
  readonly draws?: number;
  readonly onProgress?: (imagesDone: number) => void;
}

/**
 * Exact bits per dimension under uniform dequantisation (docs/method/3-pixels.md), whatever noise the
 * model was trained with: an upper bound for the discrete images, which for padded ones counts the padding too (padded-pixels.ts).
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
    for await (const { index, score } of scoreImages(model, histogram, dataset, {
      ...options,
      draw,
    })) {
      sums[index]! += score.total / draws;
      for (const name of ['informative', 'redundant', 'logDet', 'pixels'] as const) {
        parts[name] += score[name] / (draws * dataset.count);
      }
      if ((index + 1) % 500 === 0) onProgress?.(draw * dataset.count + index + 1);
    }
  }
  const mean = sums.reduce((a, b) => a + b, 0) / dataset.count;
  const variance = sums.reduce((a, b) => a + (b - mean) ** 2, 0) / (dataset.count - 1);
  return {
    bitsPerDim: mean,
    standardError: Math.sqrt(variance / dataset.count),
    images: dataset.count,
    draws,
    parts,
  };
}

/**
 * The pixel map that images are scored by, whatever noise the model was trained with: the likelihood of discrete pixels
 * is bounded under uniform noise alone.
 */
export function scoringMap(config: ModelConfig, histogram: PixelHistogram): PixelMap {
  const pixels = config.pixels === 'gaussian' ? 'uniform' : config.pixels;
  return pixelMap({ ...config, pixels }, histogram, 0);
}

/**
 * Scores every image of a dataset, in order.
 * @param options.draw which draw of the noise; default 0
 * @throws ConfigError for images of another size, and classes that the model does not know unless it scores under none
 */
export async function* scoreImages(
  model: Farmer,
  histogram: PixelHistogram,
  dataset: ImageDataset,
  options: ScoringOptions & { readonly draw?: number } = {},
): AsyncGenerator<{ index: number; score: ImageScore }> {
  const { batch = 250, seed = 0, unconditional = false, draw = 0 } = options;
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
        model.labels(unconditional ? new Int32Array(count).fill(model.nullClass) : labels),
      ),
    );
    const nats = {
      informative: await result.informative.data(),
      redundant: result.redundant ? await result.redundant.data() : new Float32Array(count),
      logDet: await result.logDet.data(),
      pixels: mapped.logDet,
    };
    for (const tensor of Object.values(result)) tensor?.dispose();
    for (let i = 0; i < count; i++) {
      const bits = (part: keyof typeof nats) => bitsPerDim(nats[part][i]!, imageValues);
      const informative = bits('informative');
      const [redundant, logDet, pixels] = [bits('redundant'), bits('logDet'), bits('pixels')];
      const total = informative + redundant + logDet + pixels;
      yield { index: indices[i]!, score: { total, informative, redundant, logDet, pixels } };
    }
  }
}
