import type { ModelConfig } from './config.ts';
import type { PixelDistribution, PixelHistogram } from './histogram.ts';
import { paddedPixels } from './padded-pixels.ts';
import { normalLogPdf, normalTail, normalTailQuantile } from './normal.ts';

/**
 * A parameter-free map between 8-bit pixels and the real values that the flow sees, one pixel at a time.
 * It runs on the host in float64, since its tails need the precision.
 */
export interface PixelMap {
  /**
   * @param pixels bytes of whole images, B × D
   * @param noise a number for each value of the padded images: uniform in [0, 1), or standard normal for `gaussian`
   * @returns the values of padded images, B × N·d, and log|dy/dv| summed over each, where v = k + u is in bin units
   * @throws RangeError for a part of an image, or too little noise
   */
  forward(
    pixels: Uint8Array,
    noise: ArrayLike<number>,
  ): { values: Float32Array; logDet: Float64Array };
  /** log|dy/dv| of each value that `forward` gave, B × N·d. */
  logDets(pixels: Uint8Array, values: Float32Array): Float64Array;
  /**
   * The pixels whose bins hold the values, clipped to 0 … 255; without padding. At the very edge of a bin, within
   * rounding of float32, a value may lie in the next one.
   */
  inverse(values: ArrayLike<number>): Uint8Array;
}

/** x = (k + u)/128 − 1, for images of `size` values (docs/method/3-pixels.md). */
export function uniformPixels(size: number): PixelMap {
  return rawPixels(size, 0, 1);
}

/** x = (k + ½)/128 − 1 + σε: the paper's training noise. Its likelihoods are not bits per dimension. */
export function gaussianPixels(size: number, sigma: number): PixelMap {
  return rawPixels(size, 0.5, 128 * sigma);
}

function rawPixels(size: number, shift: number, scale: number): PixelMap {
  return {
    forward: (pixels, noise) => ({
      logDet: new Float64Array(imageCount(pixels, noise, size)).fill(-size * Math.log(128)),
      values: Float32Array.from(pixels, (k, i) => (k + shift + scale * noise[i]!) / 128 - 1),
    }),
    logDets: (pixels) => new Float64Array(pixels.length).fill(-Math.log(128)),
    inverse: (values) =>
      Uint8Array.from(values, (x) => Math.min(255, Math.max(0, Math.floor((x + 1) * 128)))),
  };
}

/**
 * The empirical-CDF layer: y = Φ⁻¹(cdf[k] + u·pmf[k]) with each pixel's own histogram, so that the flow starts from
 * Gaussian marginals; log|dy/dv| = log pmf − log φ(y). Exact and invertible: each tail is measured from its own end.
 */
export function cdfPixels({ pmf, height, width, channels }: PixelDistribution): PixelMap {
  const size = height * width * channels;
  const tables = cumulate(pmf, size);
  const logPmf = pmf.map(Math.log);
  const logDetOf = (bin: number, y: number) => logPmf[bin]! - normalLogPdf(y);
  return {
    forward(pixels, noise) {
      const values = new Float32Array(pixels.length);
      const logDet = new Float64Array(imageCount(pixels, noise, size));
      for (let image = 0; image < logDet.length; image++) {
        let sum = 0;
        for (let d = 0; d < size; d++) {
          const i = image * size + d;
          const bin = d * 256 + pixels[i]!;
          const y = Math.fround(gaussianize(tables, bin, pmf[bin]!, noise[i]!));
          values[i] = y;
          sum += logDetOf(bin, y);
        }
        logDet[image] = sum;
      }
      return { values, logDet };
    },
    logDets: (pixels, values) =>
      Float64Array.from(values, (y, i) => logDetOf((i % size) * 256 + pixels[i]!, y)),
    inverse: (values) => Uint8Array.from(values, (y, i) => findBin(tables, (i % size) * 256, y)),
  };
}

/** @throws RangeError unless there are whole images of `size` values, and noise for each value */
function imageCount(pixels: Uint8Array, noise: ArrayLike<number>, size: number): number {
  if (pixels.length % size !== 0) {
    throw new RangeError(`${pixels.length} pixel values are not whole images of ${size} values`);
  }
  if (noise.length < pixels.length) {
    throw new RangeError(
      `${noise.length} numbers of noise for ${pixels.length} pixel values, padding included: each needs one`,
    );
  }
  return pixels.length / size;
}

interface CumulativeTables {
  /** Probability below each bin, and above it: sums from both ends, so that neither tail cancels. */
  readonly below: Float64Array;
  readonly above: Float64Array;
}

function cumulate(pmf: Float64Array, size: number): CumulativeTables {
  const below = new Float64Array(pmf.length);
  const above = new Float64Array(pmf.length);
  for (let d = 0; d < size; d++) {
    for (let k = 1; k < 256; k++) {
      const low = d * 256 + k;
      below[low] = below[low - 1]! + pmf[low - 1]!;
      const high = d * 256 + 255 - k;
      above[high] = above[high + 1]! + pmf[high + 1]!;
    }
  }
  return { below, above };
}

function gaussianize(
  { below, above }: CumulativeTables,
  bin: number,
  mass: number,
  u: number,
): number {
  const lower = below[bin]! + u * mass;
  const upper = above[bin]! + (1 - u) * mass;
  // u = 0 in the first bin has an infinite quantile; half a unit of Philox's 24-bit uniforms keeps it finite. At the
  // median rounding may leave both tails above ½.
  const tail = Math.min(0.5, Math.max(Math.min(lower, upper), mass * 2 ** -25));
  return lower < upper ? -normalTailQuantile(tail) : normalTailQuantile(tail);
}

/** The bin of the pixel at `row` whose part of (0, 1) holds Φ(y), by bisection on the nearer tail. */
function findBin({ below, above }: CumulativeTables, row: number, y: number): number {
  const tail = normalTail(y);
  let low = 0;
  let high = 255;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    // Is Φ(y) at or above the middle bin's lower edge?
    const inside = y < 0 ? tail >= below[row + middle]! : tail < above[row + middle - 1]!;
    if (inside) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The map that a configuration names, from images as they are to images that the patch divides.
 * @param histogram of the training images, for the CDF layer
 * @param sigma noise of 'gaussian' at this point of training
 */
export function pixelMap(
  { pixels, patch }: Pick<ModelConfig, 'pixels' | 'patch'>,
  histogram: PixelHistogram,
  sigma: number,
): PixelMap {
  return paddedPixels(histogram, patch, (padded) => {
    if (pixels === 'cdf') return cdfPixels(padded);
    const size = padded.height * padded.width * padded.channels;
    return pixels === 'uniform' ? uniformPixels(size) : gaussianPixels(size, sigma);
  });
}
