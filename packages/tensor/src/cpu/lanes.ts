import type { F32x4, FunctionBuilder } from './wasm/index.ts';

/** The four lanes combined, pairwise, in all lanes. */
export function foldLanes(
  f: FunctionBuilder,
  x: F32x4,
  combine: (a: F32x4, b: F32x4) => F32x4,
): F32x4 {
  const lanes = f.let(x);
  const pairs = f.let(combine(lanes, lanes.shuffle(lanes, [2, 3, 0, 1])));
  return f.let(combine(pairs, pairs.shuffle(pairs, [1, 0, 3, 2])));
}

/** The sum of the four lanes, in all lanes. */
export const sumOfLanes = (f: FunctionBuilder, x: F32x4): F32x4 =>
  foldLanes(f, x, (a, b) => a.add(b));

/** Four vectors as the rows of a matrix; its columns. */
export function transposeLanes(
  f: FunctionBuilder,
  [a, b, c, d]: readonly [F32x4, F32x4, F32x4, F32x4],
): [F32x4, F32x4, F32x4, F32x4] {
  const [ab, cd] = [f.let(a.shuffle(b, [0, 4, 1, 5])), f.let(c.shuffle(d, [0, 4, 1, 5]))];
  const [AB, CD] = [f.let(a.shuffle(b, [2, 6, 3, 7])), f.let(c.shuffle(d, [2, 6, 3, 7]))];
  return [
    ab.shuffle(cd, [0, 1, 4, 5]),
    ab.shuffle(cd, [2, 3, 6, 7]),
    AB.shuffle(CD, [0, 1, 4, 5]),
    AB.shuffle(CD, [2, 3, 6, 7]),
  ];
}
