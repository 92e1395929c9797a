/** The layers' definitions in plain float64, on rows of numbers. */
export type Matrix = readonly (readonly number[])[];

export function toMatrix(data: ArrayLike<number>, columns: number): number[][] {
  const values = Array.from(data);
  return Array.from({ length: values.length / columns }, (_, i) =>
    values.slice(i * columns, (i + 1) * columns),
  );
}

export const add = (a: Matrix, b: Matrix): number[][] =>
  a.map((row, i) => row.map((value, j) => value + b[i]![j]!));

/** x W + b */
export function affine(x: Matrix, weight: Matrix, bias: readonly number[]): number[][] {
  return x.map((row) =>
    bias.map((b, j) => row.reduce((sum, value, k) => sum + value * weight[k]![j]!, b)),
  );
}

export const geluTanh = (x: Matrix): number[][] =>
  x.map((row) =>
    row.map((v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))),
  );

const meanOf = (row: readonly number[]) => row.reduce((a, b) => a + b, 0) / row.length;

export function layerNorm(
  x: Matrix,
  scale: readonly number[],
  shift: readonly number[],
  epsilon = 1e-5,
): number[][] {
  return x.map((row) => {
    const mean = meanOf(row);
    const std = Math.sqrt(meanOf(row.map((v) => (v - mean) ** 2)) + epsilon);
    return row.map((v, j) => ((v - mean) / std) * scale[j]! + shift[j]!);
  });
}

export function rmsNorm(x: Matrix, scale: readonly number[], epsilon = 1e-5): number[][] {
  return x.map((row) => {
    const size = Math.sqrt(meanOf(row.map((v) => v * v)) + epsilon);
    return row.map((v, j) => (v / size) * scale[j]!);
  });
}

/** Attention of one sequence: rows of q, k, v are tokens, columns are split among the heads. */
export function attention(
  q: Matrix,
  k: Matrix,
  v: Matrix,
  { heads, causal }: { heads: number; causal: boolean },
): number[][] {
  const depth = q[0]!.length / heads;
  const dot = (a: readonly number[], b: readonly number[], from: number) => {
    let sum = 0;
    for (let c = from; c < from + depth; c++) sum += a[c]! * b[c]!;
    return sum;
  };
  return q.map((query, i) => {
    const visible = causal ? i + 1 : k.length;
    return query.map((_, column) => {
      const from = Math.floor(column / depth) * depth;
      const weights = k
        .slice(0, visible)
        .map((key) => Math.exp(dot(query, key, from) / Math.sqrt(depth)));
      const total = weights.reduce((a, b) => a + b);
      return weights.reduce((sum, weight, j) => sum + (weight / total) * v[j]![column]!, 0);
    });
  });
}
