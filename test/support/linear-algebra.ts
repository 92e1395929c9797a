/** log|det| of a square row-major matrix, by elimination with row pivots. */
export function logAbsDeterminant(matrix: Float64Array, n: number): number {
  const a = matrix.slice();
  let total = 0;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column; row < n; row++) {
      if (Math.abs(a[row * n + column]!) > Math.abs(a[pivot * n + column]!)) pivot = row;
    }
    if (pivot !== column) {
      for (let k = 0; k < n; k++) {
        [a[pivot * n + k], a[column * n + k]] = [a[column * n + k]!, a[pivot * n + k]!];
      }
    }
    const diagonal = a[column * n + column]!;
    total += Math.log(Math.abs(diagonal));
    for (let row = column + 1; row < n; row++) {
      const factor = a[row * n + column]! / diagonal;
      for (let k = column; k < n; k++) a[row * n + k]! -= factor * a[column * n + k]!;
    }
  }
  return total;
}

/**
 * The Jacobian ∂f_i/∂x_j of a map of n values by central differences of fourth order:
 * (8 (f₊₁ − f₋₁) − (f₊₂ − f₋₂)) / 12h.
 * @param f evaluates a batch of points at once: [points × n] → [points × n]
 */
export async function numericJacobian(
  f: (points: Float32Array, count: number) => Promise<ArrayLike<number>>,
  x: Float32Array,
  step = 2e-2,
): Promise<Float64Array> {
  const n = x.length;
  const offsets = [-2, -1, 1, 2];
  const weights = [1, -8, 8, -1];
  const points = new Float32Array(4 * n * n);
  for (let j = 0; j < n; j++) {
    offsets.forEach((offset, k) => {
      points.set(x, (4 * j + k) * n);
      points[(4 * j + k) * n + j]! += offset * step;
    });
  }
  const values = await f(points, 4 * n);
  const jacobian = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const sum = weights.reduce((total, w, k) => total + w * values[(4 * j + k) * n + i]!, 0);
      jacobian[i * n + j] = sum / (12 * step);
    }
  }
  return jacobian;
}
