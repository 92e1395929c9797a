import { symmetricEigen } from './symmetric-eigen.ts';

/** A Gaussian in d dimensions. */
export interface Gaussian {
  readonly mean: Float64Array;
  /** [d × d] row-major, symmetric. */
  readonly covariance: Float64Array;
}

/**
 * Mean and unbiased covariance of features.
 * @param features [count × d], row-major
 * @throws RangeError for fewer than two rows
 */
export function fitGaussian(features: ArrayLike<number>, d: number): Gaussian {
  const count = features.length / d;
  if (!(count >= 2)) {
    throw new RangeError(`fitGaussian: a covariance needs at least 2 images, got ${count}`);
  }
  const mean = new Float64Array(d);
  for (let i = 0; i < features.length; i++) mean[i % d]! += features[i]! / count;
  const covariance = new Float64Array(d * d);
  const centred = new Float64Array(d);
  for (let row = 0; row < count; row++) {
    for (let j = 0; j < d; j++) centred[j] = features[row * d + j]! - mean[j]!;
    for (let i = 0; i < d; i++) {
      const scaled = centred[i]! / (count - 1);
      for (let j = 0; j < d; j++) covariance[i * d + j]! += scaled * centred[j]!;
    }
  }
  return { mean, covariance };
}

/**
 * The squared Fréchet (2-Wasserstein) distance of two Gaussians (Dowson & Landau 1982), which Heusel et al. (2017)
 * compare features by: ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½).
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const d = a.mean.length;
  if (b.mean.length !== d) {
    throw new RangeError(`frechetDistance: Gaussians of ${d} and ${b.mean.length} dimensions`);
  }
  const root = squareRoot(a.covariance, d);
  const inner = multiply(multiply(root, b.covariance, d), root, d);
  const { values } = symmetricEigen(symmetrised(inner, d), d);
  // Rounding leaves eigenvalues of a singular matrix slightly below zero.
  const cross = values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  const means = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
  return Math.max(0, means + trace(a.covariance, d) + trace(b.covariance, d) - 2 * cross);
}

/** The symmetric root V √λ Vᵀ of a positive semi-definite matrix. */
function squareRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const root = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const size = Math.sqrt(Math.max(0, values[k]!));
    for (let i = 0; i < n; i++) {
      const scaled = size * vectors[k * n + i]!;
      for (let j = 0; j < n; j++) root[i * n + j]! += scaled * vectors[k * n + j]!;
    }
  }
  return root;
}

function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const product = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = a[i * n + k]!;
      for (let j = 0; j < n; j++) product[i * n + j]! += factor * b[k * n + j]!;
    }
  }
  return product;
}

function symmetrised(matrix: Float64Array, n: number): Float64Array {
  return matrix.map((x, at) => (x + matrix[(at % n) * n + Math.floor(at / n)]!) / 2);
}

function trace(matrix: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += matrix[i * n + i]!;
  return sum;
}
