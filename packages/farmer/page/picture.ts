import type { ImageShape } from '../src/index.ts';

/** Shows images, bytes [B, H, W, C], on a canvas, `columns` a row with a pixel between them. */
export function showImages(
  canvas: HTMLCanvasElement,
  images: Uint8Array,
  { height, width, channels }: ImageShape,
  { columns, scale }: { readonly columns: number; readonly scale: number },
): void {
  const values = height * width * channels;
  const count = images.length / values;
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + 1) - 1;
  canvas.height = rows * (height + 1) - 1;
  canvas.style.width = `${canvas.width * scale}px`;
  const context = canvas.getContext('2d')!;
  for (let i = 0; i < count; i++) {
    const pixels = colours(images.subarray(i * values, (i + 1) * values), channels);
    const [row, column] = [Math.floor(i / columns), i % columns];
    const place = [column * (width + 1), row * (height + 1)] as const;
    context.putImageData(new ImageData(pixels, width, height), ...place);
  }
}

/** Grey or RGB to RGBA. */
function colours(image: Uint8Array, channels: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((4 * image.length) / channels).fill(255);
  for (let pixel = 0; pixel < rgba.length / 4; pixel++) {
    for (let c = 0; c < 3; c++) rgba[4 * pixel + c] = image[pixel * channels + (c % channels)]!;
  }
  return rgba;
}

/** Shows values [rows, columns] as greys: the least is black, the largest white. */
export function showHeat(
  canvas: HTMLCanvasElement,
  values: Float64Array,
  columns: number,
  scale: number,
): void {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const grey = Uint8Array.from(values, (value) => (255 * (value - low)) / (high - low || 1));
  const shape = { height: values.length / columns, width: columns, channels: 1 };
  showImages(canvas, grey, shape, { columns: 1, scale });
}
