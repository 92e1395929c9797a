/**
 * The standard normal distribution in float64, accurate far into both tails.
 */

/** log φ(y), the log-density. */
export function normalLogPdf(y: number): number {
  return -0.5 * y * y - 0.9189385332046727; // ½ log 2π
}

/** Φ(−|y|): the probability of the tail beyond y. Relative error below 1e-13 (Numerical Recipes' erfc by Chebyshev is 1e-7; this uses the continued fraction). */
export function normalTail(y: number): number {
  const a = Math.abs(y);
  if (a < 2.5) {
    // Φ(a) − ½ = φ(a) Σ a^(2k+1) / (1·3·5·…·(2k+1))
    let term = a;
    let sum = a;
    for (let k = 1; term > 1e-17 * sum; k++) {
      term *= (a * a) / (2 * k + 1);
      sum += term;
    }
    return 0.5 - Math.exp(normalLogPdf(a)) * sum;
  }
  // Mills' ratio as a continued fraction: 1/(a + 1/(a + 2/(a + 3/(a + …))))
  let fraction = 0;
  for (let k = 80; k > 0; k--) fraction = k / (a + fraction);
  return Math.exp(normalLogPdf(a)) / (a + fraction);
}

/**
 * The y ≥ 0 whose upper tail has probability p ≤ ½, by Halley's method on Φ. Taking the smaller tail keeps
 * values near 0 and near 1 equally exact.
 */
export function normalTailQuantile(p: number): number {
  if (!(p > 0 && p <= 0.5)) throw new RangeError(`normalTailQuantile: ${p} is outside (0, ½]`);
  // Abramowitz & Stegun 26.2.23, error 4.5e-4, then two Halley steps.
  const t = Math.sqrt(-2 * Math.log(p));
  let y =
    t -
    (2.515517 + t * (0.802853 + t * 0.010328)) /
      (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (let i = 0; i < 2; i++) {
    const tail = y >= 0 ? normalTail(y) : 1 - normalTail(y);
    const step = (tail - p) / Math.exp(normalLogPdf(y));
    y += step / (1 + 0.5 * y * step);
  }
  return y;
}
