import { apply1 } from '../apply.ts';
import type { Op, VjpCall } from '../op.ts';
import { normalizeAxes } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { map } from './map.ts';
import { keptShape, reduceOp, type ReduceParams } from './reduce-op.ts';
import { reshape } from './reshape.ts';

export interface ReduceOptions {
  /** Axes to reduce, negative ones from the back; all of them by default. */
  readonly axes?: readonly number[];
  /** Leaves the reduced axes in place with length 1. */
  readonly keepDims?: boolean;
}

/** A tensor of the reduced shape, back with length 1 on the reduced axes, to broadcast against the input. */
function unreduce(reduced: Tensor, x: Tensor, { axes }: ReduceParams): Tensor {
  return reshape(reduced, keptShape(x.shape, axes));
}

export const sumOp = reduceOp('sum', ({ inputs: [x], gradients: [g], params }) =>
  map('g', { g: unreduce(g!, x!, params), x: x! }),
);

export const meanOp = reduceOp('mean', ({ inputs: [x], gradients: [g], params }) =>
  map('g * scale', { g: unreduce(g!, x!, params), x: x!, scale: g!.size / x!.size }),
);

// Equal extremes share the gradient.
const extremeVjp = ({
  inputs: [x],
  outputs: [y],
  gradients: [g],
  params,
}: VjpCall<ReduceParams>) => {
  const extreme = unreduce(y!, x!, params);
  const chosen = map('x == extreme', { x: x!, extreme });
  const count = sum(chosen, { axes: params.axes, keepDims: true });
  return map('g * chosen / count', { g: unreduce(g!, x!, params), chosen, count });
};

export const maxOp = reduceOp('max', extremeVjp);
export const minOp = reduceOp('min', extremeVjp);

// ∂ log Σ exp(x) / ∂x = exp(x - y); nothing flows where all of a row is -∞
export const logSumExpOp = reduceOp(
  'logSumExp',
  ({ inputs: [x], outputs: [y], gradients: [g], params }) =>
    map('where(y < -3.4e38, 0, g * exp(x - y))', {
      x: x!,
      y: unreduce(y!, x!, params),
      g: unreduce(g!, x!, params),
    }),
);

function reduce(op: Op<ReduceParams>, x: Tensor, options: ReduceOptions): Tensor {
  const axes = normalizeAxes(op.name, options.axes, x.rank);
  return apply1(op, [x], { axes, keepDims: options.keepDims ?? false });
}

/** Sum over axes; 0 over nothing. @throws ShapeError for an axis outside the tensor */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(sumOp, x, options);
}

/** Mean over axes of an f32 tensor; NaN over nothing. @throws ShapeError for an axis outside the tensor */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(meanOp, x, options);
}

/** Maximum over axes; −∞ (or the lowest integer) over nothing. Equal maxima share the gradient. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(maxOp, x, options);
}

/** Minimum over axes; ∞ (or the highest integer) over nothing. Equal minima share the gradient. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(minOp, x, options);
}

/** log Σ exp(x) over axes without overflow; −∞ over nothing. */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(logSumExpOp, x, options);
}

/** Mean of the squared deviations from the mean over axes (divides by n, not n − 1). */
export function variance(x: Tensor, options: ReduceOptions = {}): Tensor {
  const center = mean(x, { ...options, keepDims: true });
  return mean(map('(x - center) * (x - center)', { x, center }), options);
}
