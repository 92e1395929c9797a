import type { ModelConfig } from '../src/config.ts';
import { boxScale, cropToAspect, isGrey, toGrey, toRgb, type Pixels } from '../src/data/pixels.ts';
import { readPng } from './files/read-png.ts';

/**
 * Reads a PNG as a model's images are: their size, and grey or RGB.
 * @param resize crops at the centre and scales an image of another size, which changes its likelihood
 * @throws Error naming the file when it does not fit
 */
export async function readImageFile(
  path: string,
  { height, width, channels }: ModelConfig['image'],
  resize = false,
): Promise<Uint8Array> {
  const pixels = await readPng(path);
  const coloured = channels === 3 ? toRgb(pixels) : asGrey(pixels, path);
  if (pixels.height === height && pixels.width === width) return coloured.data;
  if (resize) return boxScale(cropToAspect(coloured, height, width), height, width).data;
  throw new Error(
    `${path} is ${pixels.height} × ${pixels.width}, but the model's images are ${height} × ${width} (height × width): give --resize to crop and scale it`,
  );
}

function asGrey(pixels: Pixels, path: string): Pixels {
  if (isGrey(pixels)) return toGrey(pixels);
  throw new Error(`${path} has colours, but the model's images are grey: convert it to grey first`);
}
