/** A damaged or unexpected IDX file; the message names the file. */
export class IdxError extends Error {
  override readonly name = 'IdxError';
}

export type IdxArray = { readonly shape: number[]; readonly data: Uint8Array };

const UNSIGNED_BYTE = 0x08;
const OTHER_TYPES: Record<number, string> = {
  0x09: 'signed byte',
  0x0b: 'short',
  0x0c: 'int',
  0x0d: 'float',
  0x0e: 'double',
};

/**
 * Reads an IDX file of unsigned bytes, MNIST's format: two zero bytes, the type code, the number of
 * dimensions, one big-endian uint32 a dimension, then the values in row-major order.
 *
 * @param rank the number of dimensions expected: 3 for images, 1 for labels.
 * @param source the file's name, for error messages.
 * @returns a view into `bytes`, not a copy.
 */
export function readIdx(bytes: Uint8Array, rank: number, source: string): IdxArray {
  const fail = (problem: string): never => {
    throw new IdxError(`${source}: ${problem}`);
  };
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < 4) fail(`the file has ${bytes.length} bytes, too few for an IDX header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== 0) {
    const hint = view.getUint16(0) === 0x1f8b ? ': it is gzipped, unpack it first' : '';
    fail(`not an IDX file, which begins with two zero bytes${hint}`);
  }
  const type = view.getUint8(2);
  if (type !== UNSIGNED_BYTE) {
    const name = OTHER_TYPES[type] ?? 'unknown';
    fail(`the values have type 0x${type.toString(16)} (${name}), expected 0x8 (unsigned byte)`);
  }
  const actualRank = view.getUint8(3);
  if (actualRank !== rank) fail(`the array has ${actualRank} dimensions, expected ${rank}`);
  if (bytes.length < headerBytes) {
    fail(`truncated: ${bytes.length} bytes, but the header alone takes ${headerBytes}`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, length) => product * length, 1);
  const present = bytes.length - headerBytes;
  if (present < size) {
    fail(`truncated: shape [${shape.join(', ')}] takes ${size} bytes, but ${present} are there`);
  }
  if (present > size) {
    fail(`${present - size} bytes follow the ${size} of shape [${shape.join(', ')}]`);
  }
  return { shape, data: bytes.subarray(headerBytes) };
}
