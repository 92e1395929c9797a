import type { MatmulSource } from './source.ts';

// WGSL of the variants whose invocations own four columns of the output, and take k in steps of four.

/** A vec4 of the values k … k + 3 of a row of a; zeros past the end of k. */
export function alongK({ transposeA, aligned, alignedA }: MatmulSource, row: string): string {
  if (alignedA && !transposeA) return `a[(p.a + ${row} * u.k + k) / 4]`;
  const parts = [0, 1, 2, 3].map((i) => {
    const at = aligned ? `(k + ${i})` : `min(k + ${i}, u.k - 1)`;
    const load = transposeA ? `a[p.a + ${at} * u.m + ${row}]` : `a[p.a + ${row} * u.k + ${at}]`;
    return aligned || i === 0 ? load : `select(0, ${load}, k + ${i} < p.k_end)`;
  });
  return `vec4f(${parts.join(', ')})`;
}

/** A vec4 of component i of four vec4s: row i of their 4 × 4 block transposed, in registers, where that costs nothing. */
export const transposed = (vectors: readonly string[], i: number): string =>
  `vec4f(${vectors.map((vector) => `${vector}.${'xyzw'[i]}`).join(', ')})`;

/** Statements that define b0 … b3, four columns from `column` of rows k … k + 3 of b; zeros past the end of k. */
export function fourRowsOfB({ transposeB, aligned }: MatmulSource): string {
  const four = [0, 1, 2, 3];
  if (aligned && !transposeB) {
    return four
      .map((i) => `let b${i} = b[(p.b + (k + ${i}) * u.n + min(column, u.n - 4)) / 4];`)
      .join('\n    ');
  }
  if (aligned) {
    // Four values along k for each column, turned.
    const loads = four.map(
      (j) => `let t${j} = b[(p.b + min(column + ${j}, u.n - 1) * u.k + k) / 4];`,
    );
    const turned = four.map((i) => `let b${i} = ${transposed(['t0', 't1', 't2', 't3'], i)};`);
    return [...loads, ...turned].join('\n    ');
  }
  return four
    .map((i) => {
      const values = four.map((j) => {
        const column = `min(column + ${j}, u.n - 1)`;
        const row = `min(k + ${i}, u.k - 1)`;
        return transposeB
          ? `b[p.b + ${column} * u.k + ${row}]`
          : `b[p.b + ${row} * u.n + ${column}]`;
      });
      const loaded = `vec4f(${values.join(', ')})`;
      const guarded = i === 0 ? loaded : `select(vec4f(0), ${loaded}, k + ${i} < p.k_end)`;
      return `let b${i} = ${guarded};`;
    })
    .join('\n    ');
}

/** Stores the sums of four columns from `column` of a row of the output, of which some may be outside. */
export function storeQuad({ aligned }: MatmulSource, sums: string): string {
  if (aligned) {
    return `if (column < u.n) {
      output[(output_row * u.n + column) / 4] = finish(${sums}, output_row, column / 4);
    }`;
  }
  return `for (var j = 0u; j < 4 && column + j < u.n; j++) {
      output[output_row * u.n + column + j] = finish(${sums}[j], output_row, column + j);
    }`;
}
