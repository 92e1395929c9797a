import { PNG } from 'pngjs';

/** Grey level of the gaps and of missing images in the last row. */
const BACKGROUND = 128;

/** Images to lay out, count × height × width × channels, channels last. */
export type GridImages = {
  readonly images: Uint8Array;
  readonly height: number;
  readonly width: number;
  /** 1 (grey) or 3 (RGB). */
  readonly channels: number;
};

export type GridOptions = {
  /** Images a row; by default as square as can be. */
  readonly columns?: number;
  /** Screen pixels an image pixel, a whole number. */
  readonly scale?: number;
  /** Pixels between images, after scaling. */
  readonly gap?: number;
};

/**
 * A grid of images as a PNG file's bytes, row by row.
 *
 * @throws Error if the images' length does not fit their shape.
 */
export function encodeImageGrid(grid: GridImages, options: GridOptions = {}): Uint8Array {
  const { images, height, width, channels } = grid;
  const count = images.length / (height * width * channels);
  if ((channels !== 1 && channels !== 3) || !Number.isInteger(count) || count === 0) {
    throw new Error(
      `${images.length} values are not a whole number of images of ${height} × ${width} × ${channels}, with 1 or 3 channels`,
    );
  }
  const { columns = Math.ceil(Math.sqrt(count)), scale = 1, gap = scale } = options;
  for (const [name, value] of Object.entries({ columns, scale, gap: gap + 1 })) {
    if (!Number.isInteger(value) || value < 1) throw new Error(`grid: ${name} ${value} is invalid`);
  }
  const cellWidth = width * scale + gap;
  const cellHeight = height * scale + gap;
  const rows = Math.ceil(count / columns);
  const png = new PNG({ width: columns * cellWidth - gap, height: rows * cellHeight - gap });
  png.data.fill(Uint8Array.of(BACKGROUND, BACKGROUND, BACKGROUND, 255));
  for (let y = 0; y < png.height; y++) {
    const row = Math.floor((y % cellHeight) / scale);
    if (row >= height) continue;
    for (let x = 0; x < png.width; x++) {
      const column = Math.floor((x % cellWidth) / scale);
      const image = Math.floor(y / cellHeight) * columns + Math.floor(x / cellWidth);
      if (column >= width || image >= count) continue;
      const from = ((image * height + row) * width + column) * channels;
      const to = (y * png.width + x) * 4;
      for (let c = 0; c < 3; c++) png.data[to + c] = images[from + (channels === 3 ? c : 0)]!;
    }
  }
  return PNG.sync.write(png, { colorType: channels === 3 ? 2 : 0 });
}
