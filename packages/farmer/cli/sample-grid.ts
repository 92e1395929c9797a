import { RandomStream, type Tensor } from '@farmer/tensor';
import { pixelMap } from '../src/dequantize.ts';
import type { PixelHistogram } from '../src/histogram.ts';
import type { Farmer } from '../src/model.ts';
import { sampleImages, type SamplingOptions } from '../src/sampler.ts';
import type { StudentFlow } from '../src/student-flow.ts';
import { writeFileAtomic } from './files/atomic-write.ts';
import { encodeImageGrid } from './files/image-grid.ts';
import { MAX_PIXELS } from './files/png.ts';

/** Images drawn at once: enough to fill a device, few enough for its memory. */
const BATCH = 100;

export interface SampleRequest {
  /** The class of each image. */
  readonly labels: readonly number[];
  readonly seed: number;
  readonly options?: SamplingOptions;
  /** Inverts the flow in the model's stead. */
  readonly student?: StudentFlow | undefined;
  readonly onProgress?: (imagesDone: number) => void;
  /** Sees each batch of images before their values are rounded: the pixel map's, [B, H, W, C]. */
  readonly onBatch?: ((images: Tensor) => Promise<void>) | undefined;
}

/**
 * Draws images as bytes [B, H, W, C].
 * @throws Error when the model gives values that are not finite
 */
export async function drawSamples(
  model: Farmer,
  histogram: PixelHistogram,
  { labels, seed, options = {}, student, onProgress, onBatch }: SampleRequest,
): Promise<Uint8Array> {
  const random = new RandomStream(seed);
  const pixels = pixelMap(model.config, histogram, 0);
  const { imageValues } = model.dimensions;
  const images = new Uint8Array(labels.length * imageValues);
  try {
    for (let start = 0; start < labels.length; start += BATCH) {
      const batch = labels.slice(start, start + BATCH);
      random.setStep(start / BATCH);
      const drawn = drawBatch(model, batch, random, options, student);
      try {
        images.set(pixels.inverse(await finiteValues(drawn)), start * imageValues);
        await onBatch?.(drawn);
      } finally {
        drawn.dispose();
      }
      onProgress?.(start + batch.length);
    }
  } finally {
    random.dispose();
  }
  return images;
}

function drawBatch(
  model: Farmer,
  labels: readonly number[],
  random: RandomStream,
  options: SamplingOptions,
  student: StudentFlow | undefined,
): Tensor {
  const classes = model.labels(labels);
  const images = sampleImages(model, classes, random, { ...options, flow: student });
  classes.dispose();
  return images;
}

async function finiteValues(images: Tensor): Promise<Float32Array> {
  const values = Float32Array.from(await images.data());
  const bad = values.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
  if (bad > 0) {
    throw new Error(
      `${bad} of ${values.length} sampled values are not finite: the model is not trained enough, or the temperatures are too high`,
    );
  }
  return values;
}

/** `each` labels of every class, class by class: a grid with `each` columns has one row a class. */
export function labelsOfEveryClass(classes: number, each: number): number[] {
  return Array.from({ length: classes * each }, (_, i) => Math.floor(i / each));
}

/** Small images are enlarged by this factor. */
const gridScale = ({ height, width }: { height: number; width: number }) =>
  Math.max(1, Math.floor(64 / Math.max(height, width)));

/** @throws Error when a grid of `count` images would be too large a picture; call it before they are drawn */
export function checkGrid(
  count: number,
  image: { readonly height: number; readonly width: number },
  columns: number,
): void {
  const scale = gridScale(image);
  const rows = Math.ceil(count / columns);
  const [height, width] = [rows * (image.height + 1) * scale, columns * (image.width + 1) * scale];
  if (height * width <= MAX_PIXELS) return;
  throw new Error(
    `a grid of ${rows} × ${columns} images would be a picture of ${height} × ${width} pixels, more than the ${MAX_PIXELS} allowed: ask for fewer images or columns`,
  );
}

/** Writes images [B, H, W, C] as a PNG grid. */
export async function writeGrid(
  path: string,
  images: Uint8Array,
  { height, width, channels }: { height: number; width: number; channels: number },
  columns: number,
): Promise<void> {
  const scale = gridScale({ height, width });
  const grid = { images, height, width, channels };
  await writeFileAtomic(path, encodeImageGrid(grid, { columns, scale }));
}
