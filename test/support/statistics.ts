/** Mean, variance and kurtosis (the fourth standardised moment; 3 for a normal). */
export function moments(values: ArrayLike<number>) {
  const array = Array.from(values);
  const average = (of: (value: number) => number) =>
    array.reduce((sum, value) => sum + of(value), 0) / array.length;
  const mean = average((value) => value);
  const variance = average((value) => (value - mean) ** 2);
  const kurtosis = average((value) => (value - mean) ** 4) / variance ** 2;
  return { mean, variance, kurtosis };
}

/** Kolmogorov-Smirnov distance of a sample to a distribution function. */
function distanceTo(values: ArrayLike<number>, distribution: (x: number) => number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted.reduce((worst, value, i) => {
    const expected = distribution(value);
    const above = Math.abs((i + 1) / sorted.length - expected);
    return Math.max(worst, above, Math.abs(expected - i / sorted.length));
  }, 0);
}

export function distanceToUniform(values: ArrayLike<number>): number {
  return distanceTo(values, (x) => Math.min(1, Math.max(0, x)));
}

export function distanceToNormal(values: ArrayLike<number>): number {
  return distanceTo(values, normalDistribution);
}

/** Φ(x) by Simpson's rule over the density from 0 to x: error below 1e-9 for |x| < 8. */
function normalDistribution(x: number): number {
  const end = Math.min(Math.abs(x), 8);
  const steps = 64;
  const h = end / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 ? 4 : 2;
    sum += weight * Math.exp(-((i * h) ** 2) / 2);
  }
  const half = (sum * h) / 3 / Math.sqrt(2 * Math.PI);
  return x < 0 ? 0.5 - half : 0.5 + half;
}
