import type { Shape } from './shape.ts';

/** The position on each axis of element `index` (row-major) of `shape`. */
export function coordinatesOf(index: number, shape: Shape): number[] {
  const coordinates = new Array<number>(shape.length);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coordinates[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return coordinates;
}

/** The row-major index of an element of `shape`: coordinatesOf backwards. */
export function indexOf(coordinates: readonly number[], shape: Shape): number {
  return shape.reduce((index, length, axis) => index * length + coordinates[axis]!, 0);
}
