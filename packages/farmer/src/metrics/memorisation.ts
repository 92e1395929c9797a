import { argmax, map, matmul, scope, sum, tensor, type Tensor } from '@farmer/tensor';

/** Training images compared at once. */
const BLOCK = 2000;

export interface Nearest {
  /** Index of the nearest training image. */
  readonly index: number;
  /** Euclidean distance in pixels of 0 … 1, exact. */
  readonly distance: number;
}

/**
 * The nearest training image of each image in pixel space. The search runs on the default device by
 * ‖x − y‖² = ‖x‖² + ‖y‖² − 2 x·y; the winner's distance is then computed from the bytes.
 * @param images [count × size] bytes
 * @param training [n × size] bytes
 * @param size values in an image
 */
export async function nearestTrainingImages(
  images: Uint8Array,
  training: Uint8Array,
  size: number,
): Promise<Nearest[]> {
  const count = images.length / size;
  const queries = unitRows(images, size);
  let best = Array<Nearest>(count).fill({ index: -1, distance: Infinity });
  for (let start = 0; start * size < training.length; start += BLOCK) {
    const block = training.subarray(start * size, (start + BLOCK) * size);
    const winners = scope(() => argmax(nearness(queries, unitRows(block, size)), { axis: 1 }));
    const indices = await winners.data();
    winners.dispose();
    best = best.map((earlier, i) => {
      const index = start + indices[i]!;
      const distance = pixelDistance(images, i, training, index, size);
      return distance < earlier.distance ? { index, distance } : earlier;
    });
  }
  queries.dispose();
  return best;
}

/** Larger where closer: x·y − ½‖y‖², [count, n]. */
function nearness(queries: Tensor, training: Tensor): Tensor {
  const halfNorms = map('0.5 * s', { s: sum(map('y * y', { y: training }), { axes: [1] }) });
  return matmul(queries, training, {
    transposeB: true,
    epilogue: 'acc - halfNorm',
    inputs: { halfNorm: halfNorms },
  });
}

function unitRows(bytes: Uint8Array, size: number): Tensor {
  return tensor(
    Float32Array.from(bytes, (byte) => byte / 255),
    [bytes.length / size, size],
  );
}

function pixelDistance(a: Uint8Array, i: number, b: Uint8Array, j: number, size: number): number {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += (a[i * size + k]! - b[j * size + k]!) ** 2;
  return Math.sqrt(sum) / 255;
}

/** How near generated images come to training images, against how near images never trained on do. */
export interface Memorisation {
  /** Quantiles of the distance to the nearest training image, at `QUANTILES`. */
  readonly quantiles: readonly number[];
  readonly testQuantiles: readonly number[];
  /** Share of generated images nearer to a training image than 99 % of test images are: 0.01 without memorisation. */
  readonly suspicious: number;
  /** Generated images that equal a training image. */
  readonly copies: number;
}

export const QUANTILES: readonly number[] = [0, 0.01, 0.05, 0.25, 0.5, 0.75];

/**
 * @param generated distances of generated images to their nearest training images
 * @param test those of as many test images
 */
export function memorisation(generated: readonly number[], test: readonly number[]): Memorisation {
  const threshold = quantile(test, 0.01);
  const near = generated.filter((distance) => distance < threshold).length;
  return {
    quantiles: QUANTILES.map((q) => quantile(generated, q)),
    testQuantiles: QUANTILES.map((q) => quantile(test, q)),
    suspicious: near / generated.length,
    copies: generated.filter((distance) => distance === 0).length,
  };
}

/** The q-quantile by linear interpolation between order statistics. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
