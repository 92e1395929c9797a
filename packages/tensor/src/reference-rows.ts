import { ndarray, type NdArray } from './reference.ts';
import { sizeOf, type Shape } from './shape.ts';

/** A shape as [rows, length of the last axis]. */
export function rowsOf(shape: Shape): [number, number] {
  const length = shape.at(-1) ?? 1;
  return [sizeOf(shape.slice(0, -1)), length];
}

/** The array with `rule` applied to each row (last axis) of the inputs. */
export function mapRows(
  inputs: readonly NdArray[],
  rule: (...rows: Float64Array[]) => ArrayLike<number>,
): NdArray {
  const shape = inputs[0]!.shape;
  const [rows, length] = rowsOf(shape);
  const data = new Float64Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const own = inputs.map((array) => array.data.subarray(row * length, (row + 1) * length));
    data.set(rule(...own), row * length);
  }
  return ndarray(shape, data);
}

/** log Σ exp over one row, in float64. */
export function referenceLogSumExp(row: Float64Array): number {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
