import { constants } from 'node:buffer';
import { deflateSync, inflateSync } from 'node:zlib';
import { SafetensorsError, type BytesInput, type LoadedTensors } from '@farmer/nn';
import { formatImageShape, imageSize, type ImageShape } from '../src/data/image-dataset.ts';
import { smoothCounts, type PixelHistogram } from '../src/histogram.ts';
import { messageOf } from './errors.ts';

const NAME = 'counts';
const PLANES = 4;

// A run saves its one histogram many times, and deflating takes a third of a second.
const packed = new WeakMap<PixelHistogram, Record<string, BytesInput>>();

/**
 * A histogram's counts, D × 256, as one tensor of bytes: the lowest byte of each count, then the next ones', deflated
 * (zlib, with its checksum). Most upper bytes are 0, so that a pixel's 256 counts take some 150 bytes.
 */
export function packHistogram(histogram: PixelHistogram): Record<string, BytesInput> {
  let known = packed.get(histogram);
  if (!known) packed.set(histogram, (known = pack(histogram)));
  return known;
}

function pack({ counts }: PixelHistogram): Record<string, BytesInput> {
  const planes = new Uint8Array(PLANES * counts.length);
  for (let plane = 0; plane < PLANES; plane++) {
    const start = plane * counts.length;
    counts.forEach((count, i) => (planes[start + i] = count >>> (8 * plane)));
  }
  const data = new Uint8Array(deflateSync(planes, { level: 9 }));
  return { [NAME]: { dtype: 'U8', shape: [data.length], data } };
}

/**
 * @param tensors the histogram's part of a checkpoint
 * @param image the shape of the images that it should be of
 * @throws SafetensorsError naming the file, when the counts are missing, damaged, or of other images
 */
export function unpackHistogram(
  tensors: LoadedTensors,
  image: ImageShape,
  path: string,
): PixelHistogram {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SafetensorsError(`${path}: ${problem}`, { cause });
  };
  const tensor =
    tensors.get(NAME) ??
    fail(
      `it lacks the tensor "histogram.${NAME}", the histogram of its training images that the pixel map needs`,
    );
  const bins = 256 * imageSize(image);
  const planes = inflate(Uint8Array.from(tensor.data), PLANES * bins, (reason, cause) =>
    fail(`tensor "histogram.${NAME}" is damaged: ${reason}`, cause),
  );
  if (planes.length !== PLANES * bins) {
    fail(
      `tensor "histogram.${NAME}" holds ${planes.length / PLANES} counts, but images of ${formatImageShape(image)} have ${bins}`,
    );
  }
  const counts = new Uint32Array(bins);
  planes.forEach((byte, at) => (counts[at % bins]! += byte * 256 ** Math.floor(at / bins)));
  if (!haveEqualSums(counts)) {
    fail(`tensor "histogram.${NAME}" does not count the same number of images at each pixel`);
  }
  return smoothCounts(image, counts);
}

/** Never more than one byte beyond what is expected, whatever the file says. */
function inflate(
  data: Uint8Array,
  expected: number,
  fail: (reason: string, cause: unknown) => never,
): Uint8Array {
  try {
    return inflateSync(data, { maxOutputLength: Math.min(expected + 1, constants.MAX_LENGTH) });
  } catch (error) {
    return fail(messageOf(error), error);
  }
}

function haveEqualSums(counts: Uint32Array): boolean {
  const rowSum = (start: number) => counts.subarray(start, start + 256).reduce((a, b) => a + b, 0);
  const images = rowSum(0);
  for (let start = 256; start < counts.length; start += 256) {
    if (rowSum(start) !== images) return false;
  }
  return images > 0;
}
