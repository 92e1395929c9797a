/** The dtypes that are read, and each one's size in bytes. */
export const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, U8: 1 } as const;

export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

export function isSupportedDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === 'string' && Object.hasOwn(DTYPE_BYTES, name);
}

/** Little-endian elements of `dtype` as a fresh Float32Array; every value is exact. */
export function toFloat32(bytes: Uint8Array, dtype: SafetensorsDtype): Float32Array {
  if (dtype === 'U8') return Float32Array.from(bytes);
  const count = bytes.length / DTYPE_BYTES[dtype];
  const values = new Float32Array(count);
  if (dtype === 'F32') {
    // A copy of bytes, since a tensor may start anywhere in the file's buffer.
    new Uint8Array(values.buffer).set(bytes);
    return values;
  }
  const halves = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < count; i++) {
    const half = halves.getUint16(2 * i, true);
    bits[i] = dtype === 'BF16' ? half << 16 : float16ToFloat32Bits(half);
  }
  return values;
}

/** IEEE binary16 (1 sign, 5 exponent, 10 mantissa bits) to binary32 (1, 8, 23), as bits. */
function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13); // infinity, NaN
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal: mantissa · 2^-24; shift its leading one up to the implicit bit 10.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}
