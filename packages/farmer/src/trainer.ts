import { empty, persist, philoxUniforms, type Tensor } from '@farmer/tensor';
import { CapturedTraining, type StepMetrics } from './captured-training.ts';
import { parseConfig, type FarmerConfig, type TrainingConfig } from './config.ts';
import type { ImageDataset } from './data/image-dataset.ts';
import { pixelMap, type PixelMap } from './dequantize.ts';
import type { PixelHistogram } from './histogram.ts';
import { ImageBatches } from './image-batches.ts';
import { bitsPerDim, negativeLogLikelihood } from './likelihood.ts';
import { Farmer } from './model.ts';

/** Means over the steps since the last reading; the loss is eq. 14, in nats per dimension of what the flow sees. */
export interface TrainingMetrics extends StepMetrics {
  readonly bitsPerDim: number;
}

// A stream of host noise, beside those of the image batches.
const labelNoise = 1;

/**
 * Trains flow and AR model together (section 3). A step depends on the seed, its number, and the state alone, so that
 * a resumed run equals an uninterrupted one.
 */
export class Trainer extends CapturedTraining {
  readonly config: FarmerConfig;
  readonly model: Farmer;
  readonly #batches: ImageBatches;
  readonly #labels: Tensor;
  /** Of the steps since the last reading. */
  readonly #pixelLogDets: number[];

  /**
   * @param histogram of the training images, from `fitHistogram`
   * @param model what to train, on the default device; by default a new model of the seed
   * @throws ConfigError naming the key of `config` that does not fit; for a dataset of other images or classes
   */
  constructor(
    config: FarmerConfig,
    dataset: ImageDataset,
    histogram: PixelHistogram,
    seed: number,
    model = new Farmer(config.model, seed),
  ) {
    const { batch, labelDropout, recompute } = parseConfig(config, 'new Trainer').training;
    const batches = new ImageBatches(dataset, {
      ...{ batch, seed, model: config.model },
      pixelMapAt: pixelMapSchedule(config, histogram),
    });
    const labels = persist(empty([batch], 'i32'));
    const pixelLogDets: number[] = [];
    model.recompute = recompute;
    super(config.training, {
      parameters: model.namedParameters(),
      prepare: (step) => {
        const { labels: classes, logDet } = batches.write(step);
        const dropped = philoxUniforms(seed, step, labelNoise, batch);
        // Classifier-free training (section 3.1).
        labels.write(
          Int32Array.from(classes, (c, i) => (dropped[i]! < labelDropout ? model.nullClass : c)),
        );
        pixelLogDets.push(logDet);
      },
      loss: () =>
        negativeLogLikelihood(model.logLikelihood(batches.images, labels), model.dimensions.values),
    });
    this.config = config;
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
    const bits = bitsPerDim(-metrics.loss * values, pixelLogDet, imageValues);
    return { ...metrics, bitsPerDim: bits };
  }

  /** Frees all but the model. */
  override dispose(): void {
    super.dispose();
    this.#batches.dispose();
    this.#labels.dispose();
  }
}

/** σ of Gaussian noise falls from start to end by a cosine (section 3.1). */
export function noiseAt({ noise, steps }: Pick<TrainingConfig, 'noise' | 'steps'>, step: number) {
  const [start, end] = noise;
  return end + (start - end) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
}

/** Only Gaussian noise changes over training. */
function pixelMapSchedule(
  config: FarmerConfig,
  histogram: PixelHistogram,
): (step: number) => PixelMap {
  if (config.model.pixels !== 'gaussian') {
    const fixed = pixelMap(config.model, histogram, 0);
    return () => fixed;
  }
  return (step) => pixelMap(config.model, histogram, noiseAt(config.training, step));
}
