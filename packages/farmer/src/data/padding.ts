import type { ImageDataset } from './image-dataset.ts';

/** Pixels added on each side of an image. */
export type Padding = {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
};

/** The least padding that makes both sides multiples of the patch; an odd pixel goes below, right. */
export function patchPadding(height: number, width: number, patch: number): Padding {
  if (!Number.isInteger(patch) || patch < 1) {
    throw new RangeError(`patch size ${patch} is not a whole number from 1 up`);
  }
  const extraRows = (patch - (height % patch)) % patch;
  const extraColumns = (patch - (width % patch)) % patch;
  const top = Math.floor(extraRows / 2);
  const left = Math.floor(extraColumns / 2);
  return { top, bottom: extraRows - top, left, right: extraColumns - left };
}

/**
 * Pads every image with copies of its edge pixels. The padding counts as data: bits per dimension
 * of the padded set are not those of the images, so prefer a patch that divides them.
 */
export function padToPatch(dataset: ImageDataset, patch: number): ImageDataset {
  const { count, height, width, channels } = dataset;
  const { top, bottom, left, right } = patchPadding(height, width, patch);
  if (top + bottom + left + right === 0) return dataset;
  const newHeight = height + top + bottom;
  const newWidth = width + left + right;
  const images = new Uint8Array(count * newHeight * newWidth * channels);
  const clamp = (value: number, length: number) => Math.min(Math.max(value, 0), length - 1);
  let out = 0;
  for (let image = 0; image < count; image++) {
    for (let row = 0; row < newHeight; row++) {
      const sourceRow = (image * height + clamp(row - top, height)) * width;
      for (let column = 0; column < newWidth; column++) {
        const pixel = (sourceRow + clamp(column - left, width)) * channels;
        for (let c = 0; c < channels; c++) images[out++] = dataset.images[pixel + c]!;
      }
    }
  }
  return { ...dataset, images, height: newHeight, width: newWidth };
}
