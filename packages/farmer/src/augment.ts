import { philoxBits } from '@farmer/tensor';
import { imageSize, type ImageShape } from './data/image-dataset.ts';

export interface Augmentation {
  /** Largest shift in pixels along each axis. */
  readonly shift: number;
  /** Whether half of the images are mirrored left to right. */
  readonly mirror: boolean;
}

/**
 * Shifts each image at random, uniformly in ±shift along both axes, with zeros moved in, and may mirror it.
 * @param images [B, H, W, C]
 * @param draw names the random numbers: one word an image
 * @returns the same number of new images
 */
export function augment(
  images: Uint8Array,
  size: ImageShape,
  { shift, mirror }: Augmentation,
  draw: { readonly seed: number; readonly step: number; readonly call: number },
): Uint8Array {
  const values = imageSize(size);
  const count = images.length / values;
  const words = philoxBits(draw.seed, draw.step, draw.call, count);
  const moved = new Uint8Array(images.length);
  const span = 2 * shift + 1;
  for (let i = 0; i < count; i++) {
    const word = words[i]!;
    const place = (word >>> 1) % (span * span);
    const move = { down: Math.floor(place / span) - shift, right: (place % span) - shift };
    const own = { from: i * values, to: (i + 1) * values };
    transform(images.subarray(own.from, own.to), moved.subarray(own.from, own.to), size, {
      ...move,
      mirror: mirror && (word & 1) === 1,
    });
  }
  return moved;
}

function transform(
  image: Uint8Array,
  target: Uint8Array,
  { height, width, channels }: ImageShape,
  { down, right, mirror }: { down: number; right: number; mirror: boolean },
): void {
  for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
    for (let x = Math.max(0, right); x < Math.min(width, width + right); x++) {
      const column = mirror ? width - 1 - (x - right) : x - right;
      const source = ((y - down) * width + column) * channels;
      for (let c = 0; c < channels; c++) {
        target[(y * width + x) * channels + c] = image[source + c]!;
      }
    }
  }
}
