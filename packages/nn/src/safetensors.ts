/**
 * The safetensors format: 8 bytes little-endian header length, a JSON header
 * `{ name: { dtype, shape, data_offsets }, …, __metadata__ }` padded with spaces to a multiple of 8,
 * then the tensors' little-endian bytes one after another. A file says nothing executable, and
 * everything it says is checked before a byte is allocated for it.
 */
import { toFloat32 } from './safetensors/dtype.ts';
import { SafetensorsError } from './safetensors/error.ts';
import { parseHeader } from './safetensors/header.ts';

export { SafetensorsError };

export type Float32Input = {
  readonly dtype: 'F32';
  readonly shape: readonly number[];
  readonly data: Float32Array;
};

export type BytesInput = {
  readonly dtype: 'U8';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
};

export type SafetensorsInput = Float32Input | BytesInput;

export type SafetensorsContent = {
  readonly tensors: Map<string, { shape: number[]; data: Float32Array }>;
  readonly metadata: Record<string, string>;
};

/**
 * Encodes named tensors as one file, bytes after floats, so that these are aligned, and each ordered by name, so that
 * equal tensors give equal bytes.
 *
 * @param metadata free strings, stored under `__metadata__`.
 * @throws SafetensorsError if a shape and its data disagree, or a name cannot be stored.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, SafetensorsInput>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const elementBytes = ({ data }: SafetensorsInput) => data.BYTES_PER_ELEMENT;
  const named = Object.entries(tensors).sort(
    ([a, x], [b, y]) => elementBytes(y) - elementBytes(x) || (a < b ? -1 : 1),
  );
  // Joined by hand: an assignment to a plain object would lose a tensor named "__proto__".
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let dataBytes = 0;
  for (const [name, { dtype, shape, data }] of named) {
    checkInput(name, shape, data);
    const offsets = [dataBytes, dataBytes + data.byteLength];
    const entry = JSON.stringify({ dtype, shape, data_offsets: offsets });
    fields.push(`${JSON.stringify(name)}:${entry}`);
    dataBytes += data.byteLength;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + dataBytes).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let offset = 8 + headerBytes;
  for (const [, { data }] of named) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

function checkInput(name: string, shape: readonly number[], data: ArrayLike<number>): void {
  if (name === '__metadata__' || /\p{Surrogate}/u.test(name)) {
    throw new SafetensorsError(
      `${JSON.stringify(name)} cannot be a tensor's name: the format reserves "__metadata__", and names are Unicode text`,
    );
  }
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length || !shape.every((length) => Number.isInteger(length) && length >= 0)) {
    throw new SafetensorsError(
      `tensor "${name}": shape [${shape.join(', ')}] takes ${size} values, but its data has ${data.length}`,
    );
  }
}

/**
 * Decodes a file of F32, F16, BF16 and U8 tensors, all given as float32.
 *
 * @param source the file's name, for error messages.
 * @throws SafetensorsError naming the file and the tensor, if anything in it does not fit.
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): SafetensorsContent {
  const { entries, metadata, dataStart } = parseHeader(bytes, source);
  const tensors: SafetensorsContent['tensors'] = new Map();
  for (const { name, dtype, shape, begin, end } of entries) {
    const data = toFloat32(bytes.subarray(dataStart + begin, dataStart + end), dtype);
    tensors.set(name, { shape, data });
  }
  return { tensors, metadata };
}
