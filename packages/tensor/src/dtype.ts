/** Element types. Every element takes four bytes; booleans are u32 0 or 1. */
export type DType = 'f32' | 'i32' | 'u32';

export type TypedArray =
  Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export const bytesPerElement = 4;

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

/** @throws TypeError for a name from plain JavaScript that is none of the three */
export function checkDType(dtype: string): void {
  if (!Object.hasOwn(arrays, dtype)) {
    throw new TypeError(`unknown dtype "${dtype}": there are ${Object.keys(arrays).join(', ')}`);
  }
}

/** A typed array of the dtype over the bytes of `buffer`. */
export function viewAs(dtype: DType, buffer: ArrayBuffer): TypedArray {
  return new arrays[dtype](buffer);
}

/** Copies numbers into a typed array of the dtype (f32 rounds, integers truncate). */
export function toTypedArray(dtype: DType, values: ArrayLike<number>): TypedArray {
  return arrays[dtype].from(values) as TypedArray;
}

/** The 32 bits of a value of the dtype, for kernels that move elements without looking at them. */
export function bitsOf(value: number, dtype: DType): number {
  return new Uint32Array(toTypedArray(dtype, [value]).buffer)[0]!;
}
