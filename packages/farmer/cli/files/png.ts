import { PNG, type PNGWithMetadata } from 'pngjs';
import type { Pixels } from '../../src/data/pixels.ts';
import { messageOf } from '../errors.ts';
import { checkPixelData } from './png-data.ts';

/** More pixels than any image here has; a damaged header must not allocate gigabytes. */
export const MAX_PIXELS = 2 ** 26;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Decodes a PNG to 8-bit grey (1 channel) or RGB (3 channels), transparency composited over white.
 *
 * @param source the file's name, for error messages.
 */
export function decodePng(bytes: Uint8Array, source: string): Pixels {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) {
    throw new Error(`${source}: not a PNG file`);
  }
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 24 && header.getUint32(16) * header.getUint32(20) > MAX_PIXELS) {
    throw new Error(
      `${source}: the PNG claims ${header.getUint32(16)} × ${header.getUint32(20)} pixels, more than the ${MAX_PIXELS} allowed`,
    );
  }
  let png: PNGWithMetadata;
  try {
    checkPixelData(bytes);
    png = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    throw new Error(`${source}: damaged PNG (${messageOf(error)})`, { cause: error });
  }
  return overWhite(png, png.color ? 3 : 1);
}

/** RGBA to `channels` values a pixel: v · α + 255 · (1 − α). */
function overWhite({ data: rgba, width, height }: PNG, channels: 1 | 3): Pixels {
  const data = new Uint8Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = rgba[4 * pixel + 3]! / 255;
    for (let c = 0; c < channels; c++) {
      const value = rgba[4 * pixel + c]!;
      data[pixel * channels + c] = Math.round(value * alpha + 255 * (1 - alpha));
    }
  }
  return { data, width, height, channels };
}
