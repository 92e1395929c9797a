import { erfFit, tanhFit, type OddRational } from '../expression/odd-rational.ts';
import { F32x4, I32x4, type FunctionBuilder } from './wasm/index.ts';

/**
 * Elementary functions on four float32 lanes, written inline at the point of use.
 * Accuracy, with and without fused multiply-add, is what `test/unit/cpu-math.test.ts` asserts:
 * relative error below 4e-7 where nothing else is said.
 */
export type VectorFunction = (f: FunctionBuilder, x: F32x4) => F32x4;

/** Adding and subtracting 1.5 · 2^23 rounds to the nearest integer, left in the sum's low bits. */
const roundingShift = 12582912;
const roundingShiftBits = 0x4b400000;

/** c[0] x^n + … + c[n], Horner's scheme. */
function polynomial(f: FunctionBuilder, x: F32x4, coefficients: readonly number[]): F32x4 {
  const [first, ...rest] = coefficients;
  return rest.reduce((sum, c) => sum.madd(x, c), f.let(F32x4.of(first!)));
}

/** 2^n for integer lanes in [-126, 127]. */
const powerOfTwo = (n: I32x4): F32x4 => n.add(127).shl(23).asF32x4();

/** x = n ln 2 + r with |r| ≤ ln 2 / 2; ln 2 in two parts, the first exact when times n. */
function reduceByLn2(f: FunctionBuilder, x: F32x4): { n: I32x4; r: F32x4 } {
  const shifted = f.let(x.madd(Math.LOG2E, roundingShift));
  const n = f.let(shifted.asI32x4().sub(roundingShiftBits));
  const whole = f.let(shifted.sub(roundingShift));
  const r = f.let(whole.madd(2.1219444e-4, whole.madd(-0.693359375, x)));
  return { n, r };
}

/** (e^r − 1 − r) / r² for |r| ≤ ln 2 / 2. */
// prettier-ignore
const expCoefficients = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5,
];

/** e^x; overflows to ∞, and passes through the denormals to 0. */
export const exp: VectorFunction = (f, x) => {
  const { n, r } = reduceByLn2(f, f.let(x.pmin(89).pmax(-104)));
  const p = polynomial(f, r, expCoefficients);
  const value = p.madd(r.mul(r), r.add(1));
  // Two factors, since 2^n itself may not be a normal number.
  const half = f.let(n.shrSigned(1));
  return f.let(value.mul(powerOfTwo(half)).mul(powerOfTwo(n.sub(half))));
};

/** e^x - 1, accurate near 0. */
export const expm1: VectorFunction = (f, x) => {
  const { n, r } = reduceByLn2(f, f.let(x.pmin(89).pmax(-20)));
  const p = polynomial(f, r, expCoefficients);
  const reduced = f.let(p.madd(r.mul(r), r));
  // 2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2): half the size, so that n = 128 does not overflow.
  const scale = f.let(powerOfTwo(n.sub(1)));
  const general = reduced.madd(scale, scale.sub(0.5)).mul(2);
  return f.let(n.eq(0).select(reduced, general));
};

/** Natural logarithm; 0 gives -∞, negative numbers NaN, denormals are exact. */
export const log: VectorFunction = (f, x) => {
  const isDenormal = f.let(x.lt(1.17549435e-38));
  const scaled = f.let(isDenormal.select(x.mul(2 ** 25), x).asI32x4());
  // x = 2^e · m with m in [sqrt(1/2), sqrt(2)): subtracting sqrt(1/2)'s bits moves the boundary.
  const offset = f.let(scaled.sub(0x3f3504f3));
  const exponent = f.let(offset.shrSigned(23).toF32x4().sub(isDenormal.select(25, 0)));
  const t = f.let(offset.and(0x007fffff).add(0x3f3504f3).asF32x4().sub(1));
  const p = polynomial(
    f,
    t,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1,
      -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  );
  const square = f.let(t.mul(t));
  const tail = f.let(p.mul(t).mul(square).add(exponent.mul(-2.1219444e-4)).sub(square.mul(0.5)));
  const finite = exponent.madd(0.693359375, t.add(tail));
  const positive = x.eq(Infinity).select(x, finite);
  const special = x.eq(0).select(-Infinity, NaN);
  return f.let(x.gt(0).select(positive, special));
};

/** ln(1 + x), accurate near 0: log(u) plus what rounding took from u = 1 + x. */
export const log1p: VectorFunction = (f, x) => {
  const u = f.let(x.add(1));
  const lost = f.let(x.sub(u.sub(1)));
  const corrected = log(f, u).add(lost.div(u));
  const isRegular = u.gt(0).and(u.lt(Infinity));
  return f.let(isRegular.select(corrected, log(f, u)));
};

function rational(f: FunctionBuilder, x: F32x4, fit: OddRational): F32x4 {
  const c = f.let(x.pmin(fit.limit).pmax(-fit.limit));
  const s = f.let(c.mul(c));
  const [p, q] = [fit.numerator, fit.denominator].map((c) => polynomial(f, s, c.toReversed()));
  return f.let(c.mul(p!).div(q!));
}

export const tanh: VectorFunction = (f, x) => rational(f, x, tanhFit);

/** Gauss's error function. */
export const erf: VectorFunction = (f, x) => rational(f, x, erfFit);

/** 1 / (1 + e^-x). */
export const sigmoid: VectorFunction = (f, x) => {
  const e = exp(f, f.let(x.neg()));
  return f.let(F32x4.of(1).div(e.add(1)));
};

/** ln(1 + e^x) = max(x, 0) + log1p(e^-|x|). */
export const softplus: VectorFunction = (f, x) =>
  f.let(x.max(0).add(log1p(f, exp(f, f.let(x.abs().neg())))));

/** sin(x + quarterTurns · π/2); absolute error below 1e-6 for |x| ≤ 10⁴. */
function sine(f: FunctionBuilder, x: F32x4, quarterTurns: number): F32x4 {
  const shifted = f.let(x.madd(2 / Math.PI, roundingShift));
  const whole = f.let(shifted.sub(roundingShift));
  // π/2 in three parts; the first two are exact when times an integer below 2^13.
  const r = f.let(
    whole.madd(
      -7.54978995489188e-8,
      whole.madd(-4.837512969970703125e-4, whole.madd(-1.5703125, x)),
    ),
  );
  const quadrant = f.let(shifted.asI32x4().add(quarterTurns));
  const square = f.let(r.mul(r));
  const sinPart = polynomial(f, square, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1])
    .mul(square)
    .madd(r, r);
  const cosPart = polynomial(
    f,
    square,
    [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2],
  )
    .mul(square)
    .madd(square, square.madd(-0.5, 1));
  const isOdd = quadrant.and(1).eq(1);
  const sign = quadrant.and(2).shl(30);
  return f.let(isOdd.select(cosPart, sinPart).asI32x4().xor(sign).asF32x4());
}

export const sin: VectorFunction = (f, x) => sine(f, x, 0);
export const cos: VectorFunction = (f, x) => sine(f, x, 1);

export const sqrt: VectorFunction = (_, x) => x.sqrt();
export const rsqrt: VectorFunction = (_, x) => F32x4.of(1).div(x.sqrt());

/**
 * x^y = e^(y ln |x|), negative bases with integer exponents included.
 * Relative error up to 2e-7 · (1 + |y ln x|), as WGSL's own.
 */
export function pow(f: FunctionBuilder, x: F32x4, y: F32x4): F32x4 {
  const magnitude = exp(f, f.let(y.mul(log(f, f.let(x.abs())))));
  const isInteger = y.eq(y.nearest());
  const isOdd = f.let(y.mul(0.5).ne(y.mul(0.5).nearest()).and(isInteger));
  const signed = f.let(magnitude.asI32x4().xor(isOdd.and(x.asI32x4()).and(signBit)).asF32x4());
  const isInvalid = f.let(x.lt(0).and(isInteger.not()));
  const general = f.let(isInvalid.select(NaN, signed));
  return f.let(y.eq(0).or(x.eq(1)).select(1, general));
}

const signBit = -0x80000000;
