import { duplicateJsonKey } from './duplicate-key.ts';
import { DTYPE_BYTES, isSupportedDtype, type SafetensorsDtype } from './dtype.ts';
import { SafetensorsError } from './error.ts';

/** The reference implementation's own limit on the header's length. */
const MAX_HEADER_BYTES = 100_000_000;

export type TensorEntry = {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: number[];
  /** Byte range relative to the first byte after the header. */
  readonly begin: number;
  readonly end: number;
};

export type SafetensorsHeader = {
  readonly entries: TensorEntry[];
  readonly metadata: Record<string, string>;
  /** Offset in the file of the first byte after the header. */
  readonly dataStart: number;
};

/**
 * Reads and checks a file's header: afterwards every entry's byte range lies in the file, the ranges
 * follow one another without gap or overlap, and each agrees with its shape and dtype.
 */
export function parseHeader(bytes: Uint8Array, source: string): SafetensorsHeader {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${source}: ${problem}`);
  };
  if (bytes.length < 8) {
    fail(`the file has ${bytes.length} bytes, fewer than the 8 of the header's length`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(
      `the header claims ${length} bytes, more than the ${MAX_HEADER_BYTES} allowed: this is no safetensors file`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    fail(
      `the header claims ${length} bytes, but only ${bytes.length - 8} follow: the file is truncated`,
    );
  }
  const { __metadata__: metadata, ...tensors } = parseJson(bytes.subarray(8, dataStart), fail);
  const entries = Object.entries(tensors).map(([name, entry]) =>
    checkEntry(name, entry, (problem) => fail(`tensor "${name}": ${problem}`)),
  );
  checkCoverage(entries, bytes.length - dataStart, fail);
  return { entries, metadata: checkMetadata(metadata, fail), dataStart };
}

type Fail = (problem: string) => never;

function parseJson(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    return fail(`the header is not JSON (${error instanceof Error ? error.message : error})`);
  }
  if (!isObject(parsed)) return fail('the header is not a JSON object');
  const duplicate = duplicateJsonKey(text);
  if (duplicate !== undefined) return fail(`the header has the key "${duplicate}" twice`);
  return parsed;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkEntry(name: string, entry: unknown, fail: Fail): TensorEntry {
  if (!isObject(entry)) return fail('expected an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isSupportedDtype(dtype)) {
    const known = Object.keys(DTYPE_BYTES).join(', ');
    return fail(`dtype ${JSON.stringify(dtype)} cannot be read, only ${known} can`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    return fail(`shape ${brief(shape)} is not a list of whole numbers from 0 up`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return fail(`data_offsets ${brief(offsets)} are not two whole numbers from 0 up`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product, size) => product * size, 1) * DTYPE_BYTES[dtype];
  if (end - begin !== expected) {
    return fail(
      `data_offsets ${brief(offsets)} span ${end - begin} bytes, but shape ${brief(shape)} of ${dtype} takes ${expected}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** The tensors' byte ranges must tile the data exactly: no gap, no overlap, nothing left over. */
function checkCoverage(entries: TensorEntry[], dataBytes: number, fail: Fail): void {
  let covered = 0;
  for (const entry of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    const { name, begin, end } = entry;
    if (begin !== covered) {
      const what = begin < covered ? 'overlaps the tensor before it' : 'leaves a gap before it';
      fail(`tensor "${name}": its data begins at byte ${begin}, not ${covered}, so it ${what}`);
    }
    if (end > dataBytes) {
      fail(
        `tensor "${name}": its data ends at byte ${end}, but the file holds ${dataBytes} bytes of data: it is truncated or damaged`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    fail(
      `the tensors cover ${covered} bytes of data, but the file holds ${dataBytes}: ${dataBytes - covered} bytes belong to no tensor`,
    );
  }
}

function checkMetadata(metadata: unknown, fail: Fail): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isObject(metadata)) return fail('"__metadata__" is not an object of strings');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') fail(`"__metadata__": the value of "${key}" is not a string`);
  }
  return metadata as Record<string, string>;
}

/** A value for a message: a damaged file may hold one of any length. */
function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'that are missing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
