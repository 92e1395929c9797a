import {
  crossEntropy,
  empty,
  mean,
  persist,
  philoxPermutation,
  tensor,
  type CompileProgress,
  type Tensor,
} from '@farmer/tensor';
import { augment, type Augmentation } from './augment.ts';
import {
  CapturedTraining,
  type OptimisationConfig,
  type StepMetrics,
} from './captured-training.ts';
import type { Classifier } from './classifier.ts';
import { sequentialBatches, shuffledBatches, type Batches } from './data/batches.ts';
import { gather, type ImageDataset } from './data/image-dataset.ts';

export interface ClassifierTrainingConfig extends OptimisationConfig {
  readonly batch: number;
  readonly augmentation: Augmentation;
}

// Streams of host randomness: calls of Philox.
const augmentationStream = 0;
const shuffleStream = 1;

/** Trains a classifier by cross-entropy on augmented images. A step depends on the seed and its number alone. */
export class ClassifierTrainer {
  readonly #training: CapturedTraining;
  readonly #config: ClassifierTrainingConfig;
  readonly #dataset: ImageDataset;
  readonly #seed: number;
  readonly #batches: Batches;
  readonly #images: Tensor;
  readonly #labels: Tensor;

  constructor(
    classifier: Classifier,
    dataset: ImageDataset,
    config: ClassifierTrainingConfig,
    seed: number,
  ) {
    const { height, width, channels } = dataset;
    this.#config = config;
    this.#dataset = dataset;
    this.#seed = seed;
    this.#batches = shuffledBatches(dataset.count, config.batch, (n, epoch) =>
      philoxPermutation(n, seed, shuffleStream + epoch),
    );
    this.#images = persist(empty([config.batch, height, width, channels]));
    this.#labels = persist(empty([config.batch], 'i32'));
    this.#training = new CapturedTraining(config, {
      parameters: classifier.namedParameters(),
      prepare: (step) => this.#writeBatch(step),
      loss: () => {
        const logits = classifier.classify(classifier.features(this.#images));
        return mean(crossEntropy(logits, this.#labels));
      },
    });
  }

  /** Steps done. */
  get step(): number {
    return this.#training.step;
  }

  /** Compiles the kernels of a step before the first one; see `Device.precompile`. */
  precompile(onProgress?: CompileProgress): Promise<void> {
    return this.#training.precompile(onProgress);
  }

  /** Runs one step; the device may still be at work when it returns. */
  advance(): void {
    this.#training.advance();
  }

  /** Waits for the device; the loss is the cross-entropy in nats. */
  readMetrics(): Promise<StepMetrics> {
    return this.#training.readMetrics();
  }

  dispose(): void {
    this.#training.dispose();
    this.#images.dispose();
    this.#labels.dispose();
  }

  #writeBatch(step: number): void {
    const { images, labels } = gather(this.#dataset, this.#batches.batchAt(step));
    const draw = { seed: this.#seed, step, call: augmentationStream };
    const moved = augment(images, this.#dataset, this.#config.augmentation, draw);
    this.#images.write(unitPixels(moved));
    this.#labels.write(labels);
  }
}

/** What a classifier says of some images. */
export interface Classified {
  /** [count × features], row-major. */
  readonly features: Float32Array;
  /** [count × classes]. */
  readonly logits: Float32Array;
  readonly count: number;
}

/** Runs a classifier over bytes [count, H, W, C]. */
export async function classifyImages(
  classifier: Classifier,
  images: Uint8Array,
  { batch = 500, onProgress }: { batch?: number; onProgress?: (imagesDone: number) => void } = {},
): Promise<Classified> {
  const { image, classes, width: features } = classifier.config;
  const values = image.height * image.width * image.channels;
  const count = images.length / values;
  const result = {
    features: new Float32Array(count * features),
    logits: new Float32Array(count * classes),
    count,
  };
  for (const indices of sequentialBatches(count, batch)) {
    const start = indices[0]!;
    const pixels = unitPixels(images.subarray(start * values, (start + indices.length) * values));
    const input = tensor(pixels, [indices.length, image.height, image.width, image.channels]);
    const own = classifier.features(input);
    const logits = classifier.classify(own);
    result.features.set(await own.data(), start * features);
    result.logits.set(await logits.data(), start * classes);
    for (const used of [input, own, logits]) used.dispose();
    onProgress?.(start + indices.length);
  }
  return result;
}

function unitPixels(bytes: Uint8Array): Float32Array {
  return Float32Array.from(bytes, (byte) => byte / 255);
}
