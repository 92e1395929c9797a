import { inflateSync } from 'node:zlib';

// Of each colour type: grey, RGB, palette, grey with alpha, RGB with alpha.
const SAMPLES_A_PIXEL: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Where the header's fields end. */
const HEADER_END = 29;

// [first column, first row, column step, row step] of Adam7's passes, and of an image that is not interlaced
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const WHOLE = [[0, 0, 1, 1]] as const;

/**
 * Checks that a PNG's compressed data holds all of its pixels: pngjs takes whatever memory holds for those that lack.
 * @throws Error saying what is wrong, without the file's name
 */
export function checkPixelData(bytes: Uint8Array): void {
  if (bytes.length < HEADER_END) throw new Error('it ends within its header');
  const wanted = dataSize(bytes);
  // One byte more than needed tells data that is too long, whatever it would inflate to.
  const held = inflateSync(concatenateData(bytes), { maxOutputLength: wanted + 1 }).length;
  if (held !== wanted) throw new Error(`its pixel data is ${held} bytes instead of ${wanted}`);
}

/** Bytes of all rows, with the filter type before each. */
function dataSize(bytes: Uint8Array): number {
  const header = viewOf(bytes);
  const [width, height] = [header.getUint32(16), header.getUint32(20)];
  const samples = SAMPLES_A_PIXEL[bytes[25]!];
  if (samples === undefined) throw new Error(`it has the unknown colour type ${bytes[25]}`);
  const bitsAPixel = bytes[24]! * samples;
  const passes = bytes[28] === 1 ? ADAM7 : WHOLE;
  return passes.reduce((size, [column, row, columnStep, rowStep]) => {
    const columns = Math.max(0, Math.ceil((width - column) / columnStep));
    const rows = Math.max(0, Math.ceil((height - row) / rowStep));
    return columns === 0 ? size : size + rows * (1 + Math.ceil((columns * bitsAPixel) / 8));
  }, 0);
}

/** The contents of all IDAT chunks. */
function concatenateData(bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  const parts: Uint8Array[] = [];
  // A chunk is its length, its type, the data, and a checksum; the first follows the signature.
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const isData = String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === 'IDAT';
    if (isData) parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  return Buffer.concat(parts);
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
  new DataView(buffer, byteOffset, byteLength);
