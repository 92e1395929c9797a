import type { DType } from '../dtype.ts';
import { linearize, type Expression, type Operand } from './ast.ts';
import { held } from './evaluate.ts';
import { erfFit, tanhFit, type OddRational } from './odd-rational.ts';
import { undefinedFunction, type Primitive } from './primitives.ts';

/** The type in which a formula computes, and its dtype. */
const dtypes = {
  ...{ f32: 'f32', vec4f: 'f32' },
  ...{ i32: 'i32', vec4i: 'i32' },
  ...{ u32: 'u32', vec4u: 'u32' },
} as const satisfies Record<string, DType>;

export type FormulaType = keyof typeof dtypes;

type Template = (T: string, x: string, y: string, z: string) => string;

/** WGSL for each primitive, for scalars and vec4s alike. A comparison gives 1 or 0 of type T. */
const floats: Record<Primitive, Template> = {
  add: (_, x, y) => `${x} + ${y}`,
  subtract: (_, x, y) => `${x} - ${y}`,
  multiply: (_, x, y) => `${x} * ${y}`,
  divide: (_, x, y) => `${x} / ${y}`,
  negate: (_, x) => `-${x}`,
  abs: (_, x) => `abs(${x})`,
  sign: (_, x) => `sign(${x})`,
  exp: (_, x) => `exp(${x})`,
  expm1: (T, x) => `expm1_${T}(${x})`,
  log: (_, x) => `log(${x})`,
  log1p: (T, x) => `log1p_${T}(${x})`,
  sqrt: (_, x) => `sqrt(${x})`,
  tanh: (T, x) => `tanh_${T}(${x})`,
  erf: (T, x) => `erf_${T}(${x})`,
  sigmoid: (T, x) => `${T}(1) / (${T}(1) + exp(-${x}))`,
  softplus: (T, x) => `max(${x}, ${T}(0)) + log1p_${T}(exp(-abs(${x})))`,
  sin: (T, x) => `sine_${T}(${x}, ${T}(0))`,
  cos: (T, x) => `sine_${T}(${x}, ${T}(1))`,
  floor: (_, x) => `floor(${x})`,
  round: (_, x) => `round(${x})`,
  min: (_, x, y) => `min(${x}, ${y})`,
  max: (_, x, y) => `max(${x}, ${y})`,
  pow: (_, x, y) => `pow(${x}, ${y})`,
  less: (T, x, y) => `select(${T}(0), ${T}(1), ${x} < ${y})`,
  lessEqual: (T, x, y) => `select(${T}(0), ${T}(1), ${x} <= ${y})`,
  equal: (T, x, y) => `select(${T}(0), ${T}(1), ${x} == ${y})`,
  where: (T, x, y, z) => `select(${z}, ${y}, ${x} != ${T}(0))`,
};

const { add, subtract, multiply, divide, negate, abs, sign } = floats;
const { min, max, less, lessEqual, equal, where } = floats;
const unchanged: Template = (_, x) => x;
/** The primitives that make sense on integers. */
const signed: Partial<Record<Primitive, Template>> = {
  ...{ add, subtract, multiply, divide, negate, abs, sign },
  ...{ floor: unchanged, round: unchanged },
  ...{ min, max, less, lessEqual, equal, where },
};
const unsigned: typeof signed = {
  ...signed,
  negate: (T, x) => `${T}(0) - ${x}`,
  sign: (T, x) => `min(${x}, ${T}(1))`,
};
const templates = { f32: floats, i32: signed, u32: unsigned };

/**
 * WGSL function `sine_T(x, quarters)`: sin(x + quarters · π/2) to 3e-7 for |x| < 10000, where drivers' own sin and cos
 * may be wrong by 5e-4. π/2 is subtracted in three parts (Cody & Waite) by fma, which no compiler adds up in another order;
 * then Cephes's polynomials on ±π/4.
 */
const sineWgsl = (T: string): string => `
fn sine_${T}(x: ${T}, quarters: ${T}) -> ${T} {
  let q = round(x * 0.6366197723675814);
  let r = fma(q, ${T}(-7.549789954891882e-8), fma(q, ${T}(-4.837512969970703e-4), fma(q, ${T}(-1.5703125), x)));
  let s = r * r;
  let sine = r + r * s * (-1.6666654611e-1 + s * (8.3321608736e-3 + s * -1.9515295891e-4));
  let cosine = 1 - 0.5 * s + s * s * (4.166664568298827e-2 + s * (-1.388731625493765e-3 + s * 2.443315711809948e-5));
  let k = q + quarters;
  let halves = floor(k * 0.5);
  let value = select(sine, cosine, k - 2 * halves == ${T}(1));
  return select(value, -value, halves - 2 * floor(halves * 0.5) == ${T}(1));
}`;

/** Helper functions for primitives that WGSL lacks or leaves inaccurate, for type T (f32 or vec4f). */
const helpers: Partial<Record<Primitive, (T: string) => string>> = {
  sin: sineWgsl,
  cos: sineWgsl,
  log1p: log1pWgsl,
  softplus: log1pWgsl,
  // Taylor to x^7 within 0.35, where exp(x) - 1 would cancel
  expm1: (T) => `
fn expm1_${T}(x: ${T}) -> ${T} {
  let p = x * (1 + x * (1.0 / 2 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720 + x / 5040))))));
  return select(exp(x) - 1, p, abs(x) < ${T}(0.35));
}`,
  tanh: (T) => rationalWgsl('tanh', T, tanhFit),
  erf: (T) => rationalWgsl('erf', T, erfFit),
};

/**
 * Within 0.35, log(1+x) = 2 artanh(s) with s = x / (2+x), as a Taylor series: there WGSL allows log an absolute error of
 * 2^-21, and compilers may take (1+x) - 1 for x, on which Kahan's correction rests.
 */
function log1pWgsl(T: string): string {
  return `
fn log1p_${T}(x: ${T}) -> ${T} {
  let s = x / (2 + x);
  let z = s * s;
  let near = 2 * s * (1 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z / 9))));
  return select(log(1 + x), near, abs(x) < ${T}(0.35));
}`;
}

function rationalWgsl(name: string, T: string, { limit, ...fit }: OddRational): string {
  const horner = (coefficients: readonly number[]) =>
    coefficients.reduceRight((sum, c) => (sum ? `fma(s, ${sum}, ${T}(${c}))` : `${T}(${c})`), '');
  return `
fn ${name}_${T}(x: ${T}) -> ${T} {
  // Not clamp, which may drop a NaN and costs software adapters more.
  let most = select(x, ${T}(${limit}), x > ${T}(${limit}));
  let c = select(most, ${T}(-${limit}), x < ${T}(-${limit}));
  let s = c * c;
  return c * (${horner(fit.numerator)}) / (${horner(fit.denominator)});
}`;
}

/** WGSL's spelling of a number as type T. @throws for infinities and NaN, which WGSL has no constants for */
function wgslNumber(value: number, T: FormulaType): string {
  const dtype = dtypes[T];
  if (dtype !== 'f32') return `${T}(${held[dtype](value)})`;
  const float = Math.fround(value);
  if (!Number.isFinite(float)) {
    throw new Error(
      `expression: constant ${value} is not a finite f32; pass it as an input instead`,
    );
  }
  // Without an exponent, 1e19 would be an integer, of more than 64 bits.
  return `${T}(${Math.abs(float) < 1e15 ? float : float.toExponential()})`;
}

/**
 * Straight-line WGSL for expressions.
 * @param inputs WGSL for each input's value, already of type T
 * @throws Error for a function that integers lack, and for a constant that is no finite f32
 */
export function expressionToWgsl(
  expressions: readonly Expression[],
  inputs: Readonly<Record<string, string>>,
  T: FormulaType,
): { statements: string; results: string[]; helpers: string } {
  const { steps, results } = linearize(expressions);
  const text = (operand: Operand): string => {
    if (operand.kind === 'constant') return wgslNumber(operand.value, T);
    if (operand.kind === 'step') return `t${operand.index}`;
    const value = inputs[operand.name];
    if (value === undefined) throw new Error(`expression: no WGSL for input "${operand.name}"`);
    return value;
  };
  const statements = steps.map(({ fn, args }, i) => {
    const [x = '', y = '', z = ''] = args.map(text);
    const template = templates[dtypes[T]][fn];
    if (!template) throw undefinedFunction(fn, dtypes[T]);
    return `let t${i} = ${template(T, x, y, z)};`;
  });
  const used = new Set(steps.map(({ fn }) => helpers[fn]?.(T) ?? ''));
  return {
    statements: statements.join('\n'),
    results: results.map(text),
    helpers: [...used].join(''),
  };
}
