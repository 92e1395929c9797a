/** WebAssembly bytes under construction: a tree, flattened once when the module is built. */
export type Code = readonly (number | Code)[];

/** Appends the bytes of `code` to `out`, depth first. */
export function flatten(code: Code, out: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === 'number') out.push(part);
    else flatten(part, out);
  }
  return out;
}

/** LEB128 of an unsigned integer below 2^32. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** LEB128 of a signed 32-bit integer. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const signBitAgrees = (rest === 0 && !(low & 0x40)) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(signBitAgrees ? low : low | 0x80);
    if (signBitAgrees) return bytes;
  }
}

const scratch = new DataView(new ArrayBuffer(4));

/** The four little-endian bytes of a float32. */
export function float32(value: number): number[] {
  scratch.setFloat32(0, value, true);
  return [0, 1, 2, 3].map((i) => scratch.getUint8(i));
}

/** The four little-endian bytes of an int32. */
export function int32(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];
}

/** A vector of encodings: its length, then the items. */
export function vector(items: readonly Code[]): Code {
  return [unsigned(items.length), items];
}

/** `content` preceded by its size in bytes. */
export function sized(content: Code): Code {
  const bytes = flatten(content);
  return [unsigned(bytes.length), bytes];
}

/** A module section: its id, its size, its content. */
export function section(id: number, content: Code): Code {
  return [id, sized(content)];
}

/** A UTF-8 name (ASCII here) with its length. */
export function name(text: string): Code {
  return [unsigned(text.length), [...text].map((c) => c.charCodeAt(0))];
}

/** The eight bytes every module starts with: `\0asm`, version 1. */
export const moduleHeader: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
