import { ShapeError, formatShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { gather } from './gather.ts';

/**
 * Rows of a table by index; an index outside [0, V) gives NaN.
 * @param table [V, D]
 * @param indices i32 [...]
 * @returns [..., D]
 */
export function embedding(table: Tensor, indices: Tensor): Tensor {
  if (table.rank !== 2) {
    throw new ShapeError(`embedding: table ${formatShape(table.shape)} is not of shape [V, D]`);
  }
  return gather(table, indices, 0);
}
