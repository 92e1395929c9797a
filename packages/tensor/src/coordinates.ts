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

/** Where element `index` (row-major) of axes of these lengths lies, given its stride on each axis. */
export function offsetAt(
  index: number,
  lengths: readonly number[],
  strides: readonly number[],
): number {
  let rest = index;
  let offset = 0;
  for (let axis = lengths.length - 1; axis >= 0; axis--) {
    offset += (rest % lengths[axis]!) * strides[axis]!;
    rest = Math.floor(rest / lengths[axis]!);
  }
  return offset;
}
