import { sameShape, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { sum } from './reduce.ts';
import { reshape } from './reshape.ts';

/** Undoes a broadcast: sums `x` over the axes along which a tensor of `shape` was repeated. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((length, axis) =>
    axis < lead || (shape[axis - lead] === 1 && length !== 1) ? [axis] : [],
  );
  return reshape(axes.length ? sum(x, { axes }) : x, shape);
}
