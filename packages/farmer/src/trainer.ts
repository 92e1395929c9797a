import { valueAndGrad } from '@farmer/autograd';
import { AdamW, cosine } from '@farmer/nn';
import {
  addAssign,
  defaultDevice,
  empty,
  map,
  persist,
  philoxNormals,
  philoxPermutation,
  philoxUniforms,
  reshape,
  scope,
  stack,
  zeros,
  type Graph,
  type Tensor,
} from '@farmer/tensor';
import type { FarmerConfig } from './config.ts';
import { shuffledBatches, type Batches } from './data/batches.ts';
import { gather, type ImageDataset } from './data/image-dataset.ts';
import { pixelMap, type PixelMap } from './dequantize.ts';
import type { PixelHistogram } from './histogram.ts';
import { negativeLogLikelihood } from './likelihood.ts';
import { Farmer } from './model.ts';

/** Means over the steps since the last reading. */
export interface TrainingMetrics {
  /** Steps done. */
  readonly step: number;
  /** Eq. 14, in nats per dimension of what the flow sees. */
  readonly loss: number;
  readonly bitsPerDim: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Steps since the last reading that changed nothing, because loss or gradient was not finite. */
  readonly skipped: number;
}

// Streams of host noise: calls of Philox under one step.
const pixelNoise = 0;
const labelNoise = 1;
const shuffleStream = 2;

/**
 * Trains flow and AR model together (section 3). The first step is captured and later steps replay it: one submit each.
 * A step depends on the seed, its number, and the state alone, so that a resumed run equals an uninterrupted one.
 */
export class Trainer {
  readonly config: FarmerConfig;
  readonly model: Farmer;
  readonly optimizer: AdamW;
  readonly #dataset: ImageDataset;
  readonly #seed: number;
  readonly #batches: Batches;
  readonly #images: Tensor;
  readonly #labels: Tensor;
  /** Sums since the last reading: loss and gradient norm of finite steps, and how many these were. */
  readonly #totals: Tensor;
  readonly #schedule: (step: number) => number;
  /** The pixel map of a step. */
  readonly #pixelMapAt: (step: number) => PixelMap;
  #pixelLogDet = 0;
  #stepsRead = 0;
  #graph: Graph | undefined;
  #step = 0;

  constructor(
    config: FarmerConfig,
    dataset: ImageDataset,
    histogram: PixelHistogram,
    seed: number,
    model = new Farmer(config.model, seed),
  ) {
    const { training } = config;
    const { height, width, channels } = config.model.image;
    this.config = config;
    this.model = model;
    this.#dataset = dataset;
    this.#seed = seed;
    this.optimizer = new AdamW(model.namedParameters(), {
      betas: training.betas,
      weightDecay: training.weightDecay,
      clipNorm: training.clip,
    });
    this.#schedule = cosine({
      peak: training.peakLearningRate,
      final: training.peakLearningRate * training.finalLearningRate,
      warmup: training.warmup,
      total: training.steps,
    });
    this.#pixelMapAt = pixelMapSchedule(config, histogram);
    this.#batches = shuffledBatches(dataset.count, training.batch, (n, epoch) =>
      philoxPermutation(n, seed, shuffleStream + epoch),
    );
    this.#images = persist(empty([training.batch, height, width, channels]));
    this.#labels = persist(empty([training.batch], 'i32'));
    this.#totals = persist(zeros([3]));
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Continues from a checkpoint: weights and optimiser state are loaded by the caller. */
  resumeAt(step: number): void {
    this.#step = step;
    this.#stepsRead = step;
  }

  /** Runs one optimisation step; the device may still be at work when it returns. */
  advance(): void {
    const step = this.#step;
    this.#writeBatch(step);
    this.optimizer.setStep(this.#schedule(step), step + 1);
    if (this.#graph) this.#graph.replay();
    else this.#graph = defaultDevice().capture(() => this.#computeStep());
    defaultDevice().flush();
    this.#step++;
  }

  /** Waits for the device and reads the means since the last call. */
  async readMetrics(): Promise<TrainingMetrics> {
    const [loss, norm, finite] = (await this.#totals.data()) as unknown as [number, number, number];
    this.#totals.write([0, 0, 0]);
    const steps = this.#step - this.#stepsRead;
    this.#stepsRead = this.#step;
    const { values } = this.model.dimensions;
    const mean = loss / finite;
    const pixels = this.#pixelLogDet / steps / values;
    this.#pixelLogDet = 0;
    return {
      step: this.#step,
      loss: mean,
      bitsPerDim: (mean - pixels) / Math.LN2,
      gradientNorm: norm / finite,
      learningRate: this.#schedule(this.#step - 1),
      skipped: steps - finite,
    };
  }

  dispose(): void {
    this.#graph?.dispose();
    for (const tensor of [this.#images, this.#labels, this.#totals]) tensor.dispose();
    this.optimizer.dispose();
  }

  #computeStep(): void {
    scope(() => {
      const { values } = this.model.dimensions;
      const { value: loss, gradients } = valueAndGrad(
        () => negativeLogLikelihood(this.model.logLikelihood(this.#images, this.#labels), values),
        this.model.parameters(),
      );
      const { norm, finite } = this.optimizer.update(gradients, loss);
      // 0 · NaN is NaN, so the terms of a skipped step are selected away.
      const terms = stack([loss, norm, reshape(finite, [])], 0);
      addAssign(this.#totals, map('where(finite > 0, x, 0)', { finite, x: terms }));
    });
  }

  /** Writes batch `step` as values of the pixel map, with labels dropped at random (section 3.1). */
  #writeBatch(step: number): void {
    const { training, model } = this.config;
    const { images, labels } = gather(this.#dataset, this.#batches.batchAt(step));
    const draw = model.pixels === 'gaussian' ? philoxNormals : philoxUniforms;
    const noise = draw(this.#seed, step, pixelNoise, images.length);
    const { values, logDet } = this.#pixelMapAt(step).forward(images, noise);
    this.#images.write(values);
    const dropped = philoxUniforms(this.#seed, step, labelNoise, labels.length);
    this.#labels.write(
      Int32Array.from(labels, (label, i) =>
        dropped[i]! < training.labelDropout ? this.model.ar.nullClass : label,
      ),
    );
    this.#pixelLogDet += logDet.reduce((a, b) => a + b, 0) / logDet.length;
  }
}

/** Only Gaussian noise changes over training: σ falls from start to end by a cosine (section 3.1). */
function pixelMapSchedule(
  config: FarmerConfig,
  histogram: PixelHistogram,
): (step: number) => PixelMap {
  const { pixels } = config.model;
  const { noise, steps } = config.training;
  const [start, end] = noise;
  if (pixels !== 'gaussian') {
    const fixed = pixelMap(pixels, histogram, 0);
    return () => fixed;
  }
  return (step) => {
    const sigma = end + (start - end) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
    return pixelMap(pixels, histogram, sigma);
  };
}
