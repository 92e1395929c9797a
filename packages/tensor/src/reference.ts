import type { DType } from './dtype.ts';
import { formatShape, sizeOf, type Shape } from './shape.ts';

/** A float64 array with a shape, for references and tests. Integers are exact up to 2^53. */
export interface NdArray {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: Float64Array;
}

/** An array of values in row-major order. @throws Error unless they fill the shape */
export function ndarray(shape: Shape, data: ArrayLike<number>, dtype: DType = 'f32'): NdArray {
  if (data.length !== sizeOf(shape)) {
    throw new Error(`ndarray: ${data.length} values do not fill shape ${formatShape(shape)}`);
  }
  return { shape, dtype, data: Float64Array.from(data) };
}

/** An array whose element `index` (row-major) is `value(index)`. */
export function ndarrayOf(
  shape: Shape,
  value: (index: number) => number,
  dtype: DType = 'f32',
): NdArray {
  return { shape, dtype, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => value(i)) };
}
