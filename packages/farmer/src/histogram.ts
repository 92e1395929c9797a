import {
  formatImageShape,
  imageSize,
  type ImageDataset,
  type ImageShape,
} from './data/image-dataset.ts';

/** A distribution over 0 … 255 for each pixel and channel by itself. */
export type PixelDistribution = ImageShape & {
  /** D × 256 row-major, D = height · width · channels; each row sums to 1, no entry is 0. */
  readonly pmf: Float64Array;
};

/** The distribution of a training set's pixels, and what it was fitted to. */
export type PixelHistogram = PixelDistribution & {
  /** D × 256: how many of the images have each level at each pixel. */
  readonly counts: Uint32Array;
};

const LEVELS = 256;
/** Images that the global histogram counts for. A checkpoint keeps the counts, so that it must be the same for all. */
const SMOOTHING = 50;
/** Values an image of the largest histogram, 512 MiB: images of 512 × 512 in grey. */
const MOST_VALUES = 2 ** 18;

/**
 * The independent per-pixel histogram of a training set: the model that knows no dependence between
 * pixels, below which a model must get to have learned any, and the source of the empirical-CDF
 * layer's tables.
 *
 *     pmf = (counts + 50 · global) / (n + 50)
 *
 * with n images and `global` the histogram over all pixels, itself with one added count a level
 * ((counts + 1) / (n·D + 256)), so that a level that the training set lacks has a finite cost.
 *
 * @throws RangeError for images of more than 2^18 values
 */
export function fitHistogram(dataset: ImageDataset): PixelHistogram {
  if (imageSize(dataset) > MOST_VALUES) {
    throw new RangeError(
      `dataset "${dataset.name}" has images of ${formatImageShape(dataset)}, more than ${MOST_VALUES} values each: scale them down (the command line does with --image-size)`,
    );
  }
  return smoothCounts(dataset, levelCounts(dataset));
}

/** The same from the counts, D × 256, of images of one shape; each row sums to the number of images. */
export function smoothCounts(
  { height, width, channels }: ImageShape,
  counts: Uint32Array,
): PixelHistogram {
  const global = new Float64Array(LEVELS).fill(1);
  for (let i = 0; i < counts.length; i++) global[i % LEVELS]! += counts[i]!;
  const images = sum(counts.subarray(0, LEVELS));
  const total = sum(counts) + LEVELS;
  const pmf = Float64Array.from(counts, (n, i) => {
    return (n + (SMOOTHING * global[i % LEVELS]!) / total) / (images + SMOOTHING);
  });
  return { height, width, channels, counts, pmf };
}

/**
 * Mean −log2 pmf over all pixels of all images, in bits per dimension. It equals the exact
 * likelihood under uniform dequantisation of the density that is constant within each level.
 *
 * MNIST, fitted on its training set: 1.68896 on that set, 1.68887 on the test set. The smoothing
 * hardly moves it: without any the training figure is 1.68889.
 *
 * @throws Error if the dataset's images have another shape than the histogram's.
 */
export function histogramBitsPerDim(histogram: PixelHistogram, dataset: ImageDataset): number {
  const [found, expected] = [dataset, histogram].map(formatImageShape);
  if (found !== expected) {
    throw new Error(
      `dataset "${dataset.name}" has images of ${found}, but the histogram was fitted to ${expected}`,
    );
  }
  return meanBits(histogram.pmf, levelCounts(dataset));
}

/** The same of the images that the histogram was fitted to. */
export function trainingBitsPerDim({ pmf, counts }: PixelHistogram): number {
  return meanBits(pmf, counts);
}

function meanBits(pmf: Float64Array, counts: Uint32Array): number {
  let bits = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i]! > 0) bits -= counts[i]! * Math.log2(pmf[i]!);
  }
  return bits / sum(counts);
}

const sum = (counts: Uint32Array) => counts.reduce((a, b) => a + b, 0);

/** D × 256: how many images have each level at each pixel. */
function levelCounts(dataset: ImageDataset): Uint32Array {
  const size = imageSize(dataset);
  const { images } = dataset;
  const counts = new Uint32Array(size * LEVELS);
  for (let start = 0; start < images.length; start += size) {
    for (let d = 0; d < size; d++) counts[d * LEVELS + images[start + d]!]!++;
  }
  return counts;
}
