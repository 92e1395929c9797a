import type { DType } from '../dtype.ts';

const vec4Of = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' } as const;

/** The type of `width` elements, 1 or 4. */
export function elementType<D extends DType>(dtype: D, width: number): D | (typeof vec4Of)[D] {
  return width === 4 ? vec4Of[dtype] : dtype;
}

/** The type of `width` floats, 1 or 4. */
export const floatType = (width: number) => elementType('f32', width);

/** `alias T` of `floatType`, and the sum of its components. */
export function declareFloatType(width: number): string {
  return width === 4
    ? `alias T = vec4f;\nfn total(v: T) -> f32 { return (v.x + v.y) + (v.z + v.w); }`
    : `alias T = f32;\nfn total(v: T) -> f32 { return v; }`;
}

/** `line` of each number below `count`. */
export function lines(count: number, line: (i: number) => string, separator = '\n  '): string {
  return Array.from({ length: count }, (_, i) => line(i)).join(separator);
}
