import {
  crossEntropy,
  empty,
  mean,
  persist,
  philoxPermutation,
  tensor,
  type Tensor,
} from '@farmer/tensor';
import { augment, type Augmentation } from './augment.ts';
import { CapturedTraining, type OptimisationConfig } from './captured-training.ts';
import type { Classifier } from './classifier.ts';
import { sequentialBatches, shuffledBatches } from './data/batches.ts';
import { imagesAt, type ImageDataset } from './data/image-dataset.ts';

export interface ClassifierTrainingConfig extends OptimisationConfig {
  readonly batch: number;
  readonly augmentation: Augmentation;
}

/** A call of Philox under each step. */
const augmentationCall = 0;
/** The first epoch's order among the seed's permutations, which share no random words with its calls. */
const firstShuffle = 1;

/** Trains a classifier by cross-entropy on augmented images. A step depends on the seed and its number alone. */
export class ClassifierTrainer extends CapturedTraining {
  readonly #images: Tensor;
  readonly #labels: Tensor;

  constructor(
    classifier: Classifier,
    dataset: ImageDataset,
    config: ClassifierTrainingConfig,
    seed: number,
  ) {
    const { count, height, width, channels } = dataset;
    const { batch, augmentation } = config;
    const batches = shuffledBatches(count, batch, (n, epoch) =>
      philoxPermutation(n, seed, firstShuffle + epoch),
    );
    const images = persist(empty([batch, height, width, channels]));
    const labels = persist(empty([batch], 'i32'));
    super(config, {
      parameters: classifier.namedParameters(),
      prepare: (step) => {
        const drawn = imagesAt(dataset, batches.batchAt(step));
        const draw = { seed, step, call: augmentationCall };
        images.write(unitPixels(augment(drawn.images, dataset, augmentation, draw)));
        labels.write(drawn.labels);
      },
      loss: () => mean(crossEntropy(classifier.classify(classifier.features(images)), labels)),
    });
    this.#images = images;
    this.#labels = labels;
  }

  /** Frees all but the classifier. */
  override dispose(): void {
    this.#images.dispose();
    this.#labels.dispose();
    super.dispose();
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
