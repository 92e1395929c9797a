import { empty, persist, philoxUniforms, type Tensor } from '@farmer/tensor';
import { CapturedTraining, type StepMetrics } from './captured-training.ts';
import { parseTrainingConfig, type ModelConfig, type TrainingConfig } from './config.ts';
import type { ImageDataset } from './data/image-dataset.ts';
import { pixelMap, type PixelMap } from './dequantize.ts';
import type { PixelHistogram } from './histogram.ts';
import { ImageBatches } from './image-batches.ts';
import { bitsPerDim, negativeLogLikelihood } from './likelihood.ts';
import type { Farmer } from './model.ts';

/** Means over the steps since the last reading; the loss is eq. 14, in nats per dimension of what the flow sees. */
export interface TrainingMetrics extends StepMetrics {
  /** Under the noise of the training: with pixels 'gaussian', no bound for the discrete images. */
  readonly bitsPerDim: number;
}

export interface TrainerOptions {
  /** Of the training images, from `fitHistogram`. */
  readonly histogram: PixelHistogram;
  /** Of the order of images, their noise, and which labels are dropped. */
  readonly seed: number;
}

/** A call of Philox, beside that of the image batches (image-batches.ts). */
const labelNoise = 1;

/**
 * Trains flow and AR model together by maximum likelihood (eq. 13, 14). A step depends on the seed, its number, and the state alone, so that
 * a resumed run equals an uninterrupted one.
 */
export class Trainer extends CapturedTraining {
  readonly model: Farmer;
  readonly #batches: ImageBatches;
  readonly #labels: Tensor;
  /** Of the steps since the last reading. */
  readonly #pixelLogDets: number[];

  /**
   * @param model on the default device; its weights are trained in place
   * @throws ConfigError naming the key of `training` that is out of range; for a dataset of other images or classes than
   *   the model's
   */
  constructor(
    model: Farmer,
    training: TrainingConfig,
    dataset: ImageDataset,
    { histogram, seed }: TrainerOptions,
  ) {
    const checked = parseTrainingConfig(training, 'new Trainer');
    const { batch, labelDropout, recompute } = checked;
    const batches = new ImageBatches(dataset, {
      ...{ batch, seed, model: model.config },
      pixelMapAt: pixelMapSchedule(model.config, checked, histogram),
    });
    const labels = persist(empty([batch], 'i32'));
    const pixelLogDets: number[] = [];
    model.recompute = recompute;
    super(checked, {
      parameters: model.namedParameters(),
      prepare: (step) => {
        const { labels: classes, logDet } = batches.write(step);
        const dropped = philoxUniforms(seed, step, labelNoise, batch);
        // Classifier-free training: the null class in place of some labels (docs/method/6-sampling.md).
        labels.write(
          Int32Array.from(classes, (c, i) => (dropped[i]! < labelDropout ? model.nullClass : c)),
        );
        pixelLogDets.push(logDet);
      },
      loss: () =>
        negativeLogLikelihood(model.logLikelihood(batches.images, labels), model.dimensions.values),
    });
    this.model = model;
    this.#batches = batches;
    this.#labels = labels;
    this.#pixelLogDets = pixelLogDets;
  }

  override async readMetrics(): Promise<TrainingMetrics> {
    const logDets = this.#pixelLogDets.splice(0);
    const pixelLogDet = logDets.reduce((a, b) => a + b, 0) / logDets.length;
    const metrics = await super.readMetrics();
    const { values, imageValues } = this.model.dimensions;
    const bits = bitsPerDim(-metrics.loss * values + pixelLogDet, imageValues);
    return { ...metrics, bitsPerDim: bits };
  }

  /** Frees all but the model. */
  override dispose(): void {
    this.#batches.dispose();
    this.#labels.dispose();
    super.dispose();
  }
}

/** σ of the Gaussian noise on pixels, on the scale of [-1, 1]: it falls from start to end by a cosine. */
export function noiseAt(
  { noise, steps }: Pick<TrainingConfig, 'noise' | 'steps'>,
  step: number,
): number {
  const [start, end] = noise;
  return end + (start - end) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
}

/** The pixel map of each step: only Gaussian noise changes over training. */
function pixelMapSchedule(
  model: ModelConfig,
  training: TrainingConfig,
  histogram: PixelHistogram,
): (step: number) => PixelMap {
  if (model.pixels !== 'gaussian') {
    const fixed = pixelMap(model, histogram, 0);
    return () => fixed;
  }
  return (step) => pixelMap(model, histogram, noiseAt(training, step));
}
