import type { MatmulSource } from './source.ts';

// Loads of the tile variants, from a tile that begins at `row` and `column`. WGSL.

/** A vec4 of a at (row + at, at_k), along k, or along rows where a is stored transposed; zeros outside. */
export function loadA({ transposeA, alignedA }: MatmulSource): string {
  const at = transposeA ? 'p.a + at_k * u.m + row + at' : 'p.a + (row + at) * u.k + at_k';
  if (alignedA) return guarded('a', at, 'row + at < u.m && at_k < p.k_end');
  return transposeA
    ? scalars('a', at, (i) => `row + at + ${i} < u.m`, 'at_k < p.k_end')
    : scalars('a', at, (i) => `at_k + ${i} < p.k_end`, 'row + at < u.m');
}

/** A vec4 of b at (at_k, column + at), along columns, or along k where b is stored transposed; zeros outside. */
export function loadB({ transposeB, aligned }: MatmulSource): string {
  const at = transposeB ? 'p.b + (column + at) * u.k + at_k' : 'p.b + at_k * u.n + column + at';
  if (aligned) return guarded('b', at, 'column + at < u.n && at_k < p.k_end');
  return transposeB
    ? scalars('b', at, (i) => `at_k + ${i} < p.k_end`, 'column + at < u.n')
    : scalars('b', at, (i) => `column + at + ${i} < u.n`, 'at_k < p.k_end');
}

// Every load is within its own array: an index that is not inside becomes 0 before the load.
const guarded = (array: string, at: string, inside: string) =>
  `select(vec4f(0), ${array}[select(0, (${at}) / 4, ${inside})], ${inside})`;

function scalars(
  array: string,
  at: string,
  inside: (i: number) => string,
  allInside: string,
): string {
  const parts = [0, 1, 2, 3].map((i) => {
    const within = `${inside(i)} && ${allInside}`;
    return `select(0, ${array}[select(0, ${at} + ${i}, ${within})], ${within})`;
  });
  return `vec4f(${parts.join(', ')})`;
}
