/** Pixels added on each side of an image. */
export type Padding = {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
};

/** Images one after another, row-major; `depth` values a pixel. */
export type ImageLayout = {
  readonly height: number;
  readonly width: number;
  readonly depth: number;
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

export function isPadded({ top, bottom, left, right }: Padding): boolean {
  return top + bottom + left + right > 0;
}

/** Surrounds every image with copies of its edge pixels. */
export function padImages<Values extends Uint8Array | Float64Array>(
  images: Values,
  { height, width, depth }: ImageLayout,
  { top, bottom, left, right }: Padding,
): Values {
  const count = images.length / (height * width * depth);
  const newHeight = height + top + bottom;
  const newWidth = width + left + right;
  const padded = emptyLike(images, count * newHeight * newWidth * depth);
  const clamp = (value: number, length: number) => Math.min(Math.max(value, 0), length - 1);
  let out = 0;
  for (let image = 0; image < count; image++) {
    for (let row = 0; row < newHeight; row++) {
      const sourceRow = (image * height + clamp(row - top, height)) * width;
      for (let column = 0; column < newWidth; column++) {
        const pixel = (sourceRow + clamp(column - left, width)) * depth;
        for (let c = 0; c < depth; c++) padded[out++] = images[pixel + c]!;
      }
    }
  }
  return padded;
}

/**
 * Undoes `padImages`.
 * @param layout of the images without padding
 */
export function cropImages(
  padded: Uint8Array,
  { height, width, depth }: ImageLayout,
  { top, bottom, left, right }: Padding,
): Uint8Array {
  const paddedHeight = height + top + bottom;
  const rowValues = (width + left + right) * depth;
  const count = padded.length / (paddedHeight * rowValues);
  const images = new Uint8Array(count * height * width * depth);
  let out = 0;
  for (let image = 0; image < count; image++) {
    for (let row = 0; row < height; row++) {
      const start = (image * paddedHeight + row + top) * rowValues + left * depth;
      images.set(padded.subarray(start, start + width * depth), out);
      out += width * depth;
    }
  }
  return images;
}

function emptyLike<Values extends Uint8Array | Float64Array>(like: Values, length: number): Values {
  const created = like instanceof Uint8Array ? new Uint8Array(length) : new Float64Array(length);
  return created as Values;
}
