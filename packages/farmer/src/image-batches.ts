import {
  empty,
  persist,
  philoxNormals,
  philoxPermutation,
  philoxUniforms,
  type Tensor,
} from '@farmer/tensor';
import { checkDataset, type ModelConfig } from './config.ts';
import { shuffledBatches, type Batches } from './data/batches.ts';
import { imagesAt, type ImageDataset } from './data/image-dataset.ts';
import type { PixelMap } from './dequantize.ts';
import { dimensions, paddedSize } from './dimensions.ts';

/**
 * A call of Philox under each step. Under the model's own seed, step 0 has the words of the first draw of `Init`, and
 * its dropped labels those of the second (trainer.ts). It is one step of many, and any other numbers would change what
 * the commands of docs/results train.
 */
const pixelNoise = 0;
/** The first epoch's order among the seed's permutations, which share no random words with its calls. */
const firstShuffle = 2;

export interface ImageBatchesOptions {
  readonly batch: number;
  readonly seed: number;
  readonly model: ModelConfig;
  /** The pixel map of a step. */
  readonly pixelMapAt: (step: number) => PixelMap;
}

/** Shuffled batches of a dataset on the device. A batch and its noise depend on the seed and the step alone. */
export class ImageBatches {
  /** Values of the pixel map, [B, H, W, C] with padding. */
  readonly images: Tensor;
  readonly #dataset: ImageDataset;
  readonly #options: ImageBatchesOptions;
  readonly #batches: Batches;

  /** @throws ConfigError for a dataset of other images or classes than the model's */
  constructor(dataset: ImageDataset, options: ImageBatchesOptions) {
    const { batch, seed, model } = options;
    checkDataset(model, dataset);
    const { count, channels } = dataset;
    const { height, width } = paddedSize(model);
    this.#dataset = dataset;
    this.#options = options;
    this.#batches = shuffledBatches(count, batch, (n, epoch) =>
      philoxPermutation(n, seed, firstShuffle + epoch),
    );
    this.images = persist(empty([batch, height, width, channels]));
  }

  /** Writes batch `step` to `images`; gives its labels, and the pixel map's log-det averaged over its images. */
  write(step: number): { labels: ArrayLike<number>; logDet: number } {
    const { batch, seed, model, pixelMapAt } = this.#options;
    const { images, labels } = imagesAt(this.#dataset, this.#batches.batchAt(step));
    const draw = model.pixels === 'gaussian' ? philoxNormals : philoxUniforms;
    const noise = draw(seed, step, pixelNoise, batch * dimensions(model).values);
    const { values, logDet } = pixelMapAt(step).forward(images, noise);
    this.images.write(values);
    return { labels, logDet: logDet.reduce((a, b) => a + b, 0) / logDet.length };
  }

  dispose(): void {
    this.images.dispose();
  }
}
