/** Interleaved 8-bit pixels, height × width × channels. */
export type Pixels = {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
};

/** Grey as RGB, by repeating the value; RGB as it is. */
export function toRgb(image: Pixels): Pixels {
  if (image.channels === 3) return image;
  const data = new Uint8Array(image.data.length * 3);
  for (let i = 0; i < data.length; i++) data[i] = image.data[Math.floor(i / 3)]!;
  return { ...image, data, channels: 3 };
}

/** Whether every pixel is grey, however the image is stored. */
export function isGrey({ data, channels }: Pixels): boolean {
  if (channels === 1) return true;
  for (let i = 0; i < data.length; i += 3) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

/** The first channel alone: of a grey image, all of it. */
export function toGrey(image: Pixels): Pixels {
  if (image.channels === 1) return image;
  return { ...image, data: image.data.filter((_, i) => i % 3 === 0), channels: 1 };
}

/** The largest centred part of an image that has the aspect ratio height : width. */
export function cropToAspect(image: Pixels, height: number, width: number): Pixels {
  const scale = Math.min(image.height / height, image.width / width);
  const cropHeight = Math.max(1, Math.round(height * scale));
  const cropWidth = Math.max(1, Math.round(width * scale));
  const top = Math.floor((image.height - cropHeight) / 2);
  const left = Math.floor((image.width - cropWidth) / 2);
  const rowBytes = cropWidth * image.channels;
  const data = new Uint8Array(cropHeight * rowBytes);
  for (let row = 0; row < cropHeight; row++) {
    const start = ((top + row) * image.width + left) * image.channels;
    data.set(image.data.subarray(start, start + rowBytes), row * rowBytes);
  }
  return { data, height: cropHeight, width: cropWidth, channels: image.channels };
}

/** Box scaling: each new pixel is the mean of the area that it covers, partly covered pixels too. */
export function boxScale(image: Pixels, height: number, width: number): Pixels {
  const rows = coverage(image.height, height);
  const columns = coverage(image.width, width);
  const { channels } = image;
  const data = new Uint8Array(height * width * channels);
  let out = 0;
  for (const rowSpan of rows) {
    for (const columnSpan of columns) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (const [row, rowWeight] of rowSpan) {
          for (const [column, columnWeight] of columnSpan) {
            const value = image.data[(row * image.width + column) * channels + channel]!;
            sum += rowWeight * columnWeight * value;
          }
        }
        data[out++] = Math.round(sum);
      }
    }
  }
  return { data, height, width, channels };
}

/** For each of `to` new pixels, the old pixels that it covers and their shares, which sum to 1. */
function coverage(from: number, to: number): [pixel: number, share: number][][] {
  return Array.from({ length: to }, (_, i) => {
    // In units of 1 / to old pixels, so that the borders are whole numbers.
    const begin = i * from;
    const end = (i + 1) * from;
    const span: [number, number][] = [];
    for (let pixel = Math.floor(begin / to); pixel * to < end; pixel++) {
      const covered = Math.min(end, (pixel + 1) * to) - Math.max(begin, pixel * to);
      span.push([pixel, covered / from]);
    }
    return span;
  });
}
