import type { AdamW } from '@farmer/nn';
import { empty, persist, philoxUniforms, type CompileProgress, type Tensor } from '@farmer/tensor';
import { CapturedTraining, type StepMetrics } from './captured-training.ts';
import type { FarmerConfig } from './config.ts';
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
export class Trainer {
  readonly config: FarmerConfig;
  readonly model: Farmer;
  readonly #seed: number;
  readonly #batches: ImageBatches;
  readonly #labels: Tensor;
  readonly #training: CapturedTraining;
  #pixelLogDet = 0;
  #stepsRead = 0;

  constructor(
    config: FarmerConfig,
    dataset: ImageDataset,
    histogram: PixelHistogram,
    seed: number,
    model = new Farmer(config.model, seed),
  ) {
    const { batch } = config.training;
    this.config = config;
    this.model = model;
    model.recompute = config.training.recompute;
    this.#seed = seed;
    this.#batches = new ImageBatches(dataset, {
      ...{ batch, seed, model: config.model },
      pixelMapAt: pixelMapSchedule(config, histogram),
    });
    this.#labels = persist(empty([batch], 'i32'));
    this.#training = new CapturedTraining(config.training, {
      parameters: model.namedParameters(),
      prepare: (step) => this.#writeBatch(step),
      loss: () =>
        negativeLogLikelihood(
          model.logLikelihood(this.#batches.images, this.#labels),
          model.dimensions.values,
        ),
    });
  }

  get optimizer(): AdamW {
    return this.#training.optimizer;
  }

  /** Steps done. */
  get step(): number {
    return this.#training.step;
  }

  /** Continues from a checkpoint: weights and optimiser state are loaded by the caller. */
  resumeAt(step: number): void {
    this.#training.resumeAt(step);
    this.#stepsRead = step;
  }

  /** Compiles the kernels of a step before the first one; see `Device.precompile`. */
  precompile(onProgress?: CompileProgress): Promise<void> {
    return this.#training.precompile(onProgress);
  }

  /** Runs one optimisation step; the device may still be at work when it returns. */
  advance(): void {
    this.#training.advance();
  }

  /** Reads the means since the last call; see `CapturedTraining.readMetrics`. */
  async readMetrics(): Promise<TrainingMetrics> {
    const pixelLogDet = this.#pixelLogDet / (this.step - this.#stepsRead);
    this.#pixelLogDet = 0;
    this.#stepsRead = this.step;
    const metrics = await this.#training.readMetrics();
    const { values, imageValues } = this.model.dimensions;
    const bits = bitsPerDim(-metrics.loss * values, pixelLogDet, imageValues);
    return { ...metrics, bitsPerDim: bits };
  }

  dispose(): void {
    this.#training.dispose();
    this.#batches.dispose();
    this.#labels.dispose();
  }

  /** Writes batch `step`, with labels dropped at random (section 3.1). */
  #writeBatch(step: number): void {
    const { labels, logDet } = this.#batches.write(step);
    const dropped = philoxUniforms(this.#seed, step, labelNoise, labels.length);
    const { labelDropout } = this.config.training;
    this.#labels.write(
      Int32Array.from(labels, (label, i) =>
        dropped[i]! < labelDropout ? this.model.nullClass : label,
      ),
    );
    this.#pixelLogDet += logDet;
  }
}

/** Only Gaussian noise changes over training: σ falls from start to end by a cosine (section 3.1). */
function pixelMapSchedule(
  config: FarmerConfig,
  histogram: PixelHistogram,
): (step: number) => PixelMap {
  const { noise, steps } = config.training;
  const [start, end] = noise;
  if (config.model.pixels !== 'gaussian') {
    const fixed = pixelMap(config.model, histogram, 0);
    return () => fixed;
  }
  return (step) => {
    const sigma = end + (start - end) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
    return pixelMap(config.model, histogram, sigma);
  };
}
