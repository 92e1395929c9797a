/** Sizes of a tensor's axes, outermost first; [] is a scalar. Storage is always row-major and dense. */
export type Shape = readonly number[];

/** Shapes that do not fit an op, said before anything runs. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** The number of elements; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((size, length) => size * length, 1);
}

/** A shape for a message, such as "[2, 3]". */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Whether ranks and all lengths agree: a 1 does not stand for another length. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Strides that read `shape` as if it were `target`: broadcast axes get stride 0. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : own[axis - lead]!));
}

/**
 * The common shape of numpy-style broadcasting.
 * @throws ShapeError naming `op` and all shapes
 */
export function broadcastShapes(op: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      const length = shape[i]!;
      if (length === 1 || length === result[axis]) continue;
      if (result[axis] !== 1) {
        throw new ShapeError(
          `${op}: shapes ${shapes.map(formatShape).join(' and ')} do not broadcast: ` +
            `axis ${axis} has both ${result[axis]} and ${length}; equal lengths or 1 would fit`,
        );
      }
      result[axis] = length;
    }
  }
  return result;
}

/** An axis counted from the front; negative ones count from the back. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new ShapeError(`${op}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return normalized;
}

/** Sorted axes counted from the front; all of them when `axes` is undefined. */
export function normalizeAxes(
  op: string,
  axes: readonly number[] | undefined,
  rank: number,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const normalized = axes.map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(normalized).size !== normalized.length) {
    throw new ShapeError(`${op}: axes ${formatShape(axes)} name one axis twice`);
  }
  return normalized;
}

/** @throws ShapeError unless every length is a whole number ≥ 0 */
export function checkShape(op: string, shape: Shape): void {
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ShapeError(`${op}: shape ${formatShape(shape)} needs whole numbers of at least 0`);
  }
}
