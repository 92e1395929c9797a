/**
 * The standard normal distribution in float64, accurate far into both tails.
 */

/** log φ(y), the log-density. */
export function normalLogPdf(y: number): number {
  return -0.5 * y * y - 0.9189385332046727; // ½ log 2π
}

/** Φ(−|y|): the probability of the tail beyond y. Relative error below 1e-13 (a power series, beyond 2.5 the continued fraction). */
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
 * The y ≥ 0 whose upper tail has probability p ≤ ½: Wichura's rational approximations (algorithm AS 241, PPND16),
 * relative error about 1e-15. Taking the smaller tail keeps values near 0 and near 1 equally exact.
 */
export function normalTailQuantile(p: number): number {
  if (!(p > 0 && p <= 0.5)) throw new RangeError(`normalTailQuantile: ${p} is outside (0, ½]`);
  const q = 0.5 - p;
  if (q <= 0.425) return q * ratio(central, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(p));
  return r <= 5 ? ratio(nearTail, r - 1.6) : ratio(farTail, r - 5);
}

interface Ratio {
  /** Coefficients of polynomials of degree 7, the highest power first. */
  readonly above: readonly number[];
  readonly below: readonly number[];
}

const central: Ratio = {
  above: [
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
    13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
  ],
  below: [
    5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
    5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1,
  ],
};

const nearTail: Ratio = {
  above: [
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
    1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959,
    1.42343711074968357734,
  ],
  below: [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
    0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187,
    1,
  ],
};

const farTail: Ratio = {
  above: [
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
    0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699,
    6.6579046435011037772,
  ],
  below: [
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
    7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
    0.59983220655588793769, 1,
  ],
};

function ratio({ above, below }: Ratio, r: number): number {
  let [numerator, denominator] = [0, 0];
  for (let i = 0; i < 8; i++) {
    numerator = numerator * r + above[i]!;
    denominator = denominator * r + below[i]!;
  }
  return numerator / denominator;
}
