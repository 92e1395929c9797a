/** Labelled 8-bit images of one size, all in memory. */
export type ImageDataset = {
  readonly name: string;
  /** count × height × width × channels, row-major, channels last. */
  readonly images: Uint8Array;
  /** The class of each image, 0 … classes − 1. */
  readonly labels: Uint8Array | Uint16Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 1 (grey) or 3 (RGB). */
  readonly channels: number;
  readonly classes: number;
  readonly classNames: readonly string[];
};

export type ImageDatasetParts = Pick<
  ImageDataset,
  'name' | 'images' | 'height' | 'width' | 'channels' | 'classNames'
> & { readonly labels: ArrayLike<number> };

/**
 * Builds a dataset and checks that its parts agree.
 *
 * @throws Error naming the dataset if it is empty, its images and labels differ in number, or a
 * label has no class.
 */
export function imageDataset(parts: ImageDatasetParts): ImageDataset {
  const { name, images, height, width, channels, classNames } = parts;
  const count = parts.labels.length;
  const classes = classNames.length;
  const fail = (problem: string): never => {
    throw new Error(`dataset "${name}": ${problem}`);
  };
  if (count === 0) fail('it holds no images');
  const expected = count * height * width * channels;
  if (images.length !== expected) {
    fail(
      `${count} labels with images of ${height} × ${width} × ${channels} take ${expected} bytes, but there are ${images.length}`,
    );
  }
  if (classes > 65536) fail(`it has ${classes} classes, more than the 65536 supported`);
  for (let i = 0; i < count; i++) {
    const label = parts.labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      fail(`image ${i} has label ${label}, but there are ${classes} classes`);
  }
  const labels = classes <= 256 ? Uint8Array.from(parts.labels) : Uint16Array.from(parts.labels);
  return { name, images, labels, count, height, width, channels, classes, classNames };
}

/** The shape of one image. */
export type ImageShape = Pick<ImageDataset, 'height' | 'width' | 'channels'>;

/** Values in one image: D = height · width · channels. */
export function imageSize({ height, width, channels }: ImageShape): number {
  return height * width * channels;
}

/** As in "28 × 28 × 1". */
export function formatImageShape({ height, width, channels }: ImageShape): string {
  return `${height} × ${width} × ${channels}`;
}

/**
 * The images and labels at `indices`, in that order; repeats are allowed.
 * @throws RangeError for an index that there is not, or a label that has no class
 */
export function imagesAt(
  dataset: ImageDataset,
  indices: ArrayLike<number>,
): { images: Uint8Array; labels: Uint8Array | Uint16Array } {
  const size = imageSize(dataset);
  const images = new Uint8Array(indices.length * size);
  const labels =
    dataset.labels instanceof Uint8Array
      ? new Uint8Array(indices.length)
      : new Uint16Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    const label = dataset.labels[index];
    if (label === undefined) {
      throw new RangeError(
        `dataset "${dataset.name}" has ${dataset.count} images, none at ${index}`,
      );
    }
    if (label >= dataset.classes) {
      throw new RangeError(
        `dataset "${dataset.name}": image ${index} has label ${label}, but there are ${dataset.classes} classes`,
      );
    }
    images.set(dataset.images.subarray(index * size, (index + 1) * size), i * size);
    labels[i] = label;
  }
  return { images, labels };
}
