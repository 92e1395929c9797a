/** Sweeps after which Jacobi's method has long converged: it takes 6 to 10 for hundreds of rows. */
const MOST_SWEEPS = 60;

export interface SymmetricEigen {
  /** In no order. */
  readonly values: Float64Array;
  /** [n × n] row-major; row k is the unit eigenvector of values[k]. */
  readonly vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's method: plane rotations set one off-diagonal element
 * after another to zero (Golub & Van Loan, section 8.5).
 * @param matrix [n × n] row-major; its lower triangle is taken to mirror the upper one
 * @throws Error for values that are not finite
 */
export function symmetricEigen(matrix: Float64Array, n: number): SymmetricEigen {
  const a = matrix.slice();
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const scale = a.reduce((sum, x) => sum + x * x, 0);
  if (!Number.isFinite(scale)) throw new Error('symmetricEigen: the matrix is not finite');
  for (let sweep = 0; offDiagonal(a, n) > 1e-30 * scale; sweep++) {
    if (sweep === MOST_SWEEPS) throw new Error('symmetricEigen: no convergence');
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, vectors, n, p, q);
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** Makes a[p, q] zero: a ← Jᵀ a J, vectors ← Jᵀ vectors. */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const off = a[p * n + q]!;
  if (off === 0) return;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * off);
  // The smaller root of t² + 2θt − 1 = 0: a rotation of at most 45°.
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[k * n + p]!, a[k * n + q]!];
    a[k * n + p] = c * x - s * y;
    a[k * n + q] = s * x + c * y;
  }
  rotateRows(a, n, p, q, c, s);
  rotateRows(vectors, n, p, q, c, s);
  a[p * n + q] = 0;
  a[q * n + p] = 0;
}

function rotateRows(m: Float64Array, n: number, p: number, q: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [m[p * n + k]!, m[q * n + k]!];
    m[p * n + k] = c * x - s * y;
    m[q * n + k] = s * x + c * y;
  }
}

/** Sum of squares above the diagonal. */
function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += a[i * n + j]! ** 2;
  return sum;
}
