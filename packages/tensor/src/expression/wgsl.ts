import { linearize, type Expression, type Operand } from './ast.ts';
import type { Primitive } from './primitives.ts';

/**
 * WGSL for each primitive, for scalars and vec4s alike: `T` is the float type, f32 or vec4f.
 * A comparison gives 1 or 0 of type T.
 */
const templates: Record<Primitive, (T: string, x: string, y: string, z: string) => string> = {
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
  // Some drivers return NaN for large arguments; tanh(±10) rounds to ±1.
  tanh: (T, x) => `tanh(clamp(${x}, ${T}(-10), ${T}(10)))`,
  erf: (T, x) => `erf_${T}(${x})`,
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

/**
 * WGSL function `sine_T(x, quarters)`: sin(x + quarters · π/2) to 3e-7 for |x| < 10000, where drivers' own sin and cos
 * may be wrong by 5e-4. π/2 is subtracted in three parts (Cody & Waite), then Cephes's polynomials on ±π/4.
 */
export const sineWgsl = (T: string): string => `
fn sine_${T}(x: ${T}, quarters: ${T}) -> ${T} {
  let q = round(x * 0.6366197723675814);
  let r = ((x - q * 1.5703125) - q * 4.837512969970703e-4) - q * 7.549789954891882e-8;
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
  // log(1+x) corrected for the rounding of 1+x (Kahan)
  log1p: (T) => `
fn log1p_${T}(x: ${T}) -> ${T} {
  let u = ${T}(1) + x;
  let d = u - ${T}(1);
  return select(log(u) * (x / select(d, ${T}(1), d == ${T}(0))), x, d == ${T}(0));
}`,
  // Taylor to x^7 within 0.35, where exp(x) - 1 would cancel
  expm1: (T) => `
fn expm1_${T}(x: ${T}) -> ${T} {
  let p = x * (1 + x * (1.0 / 2 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720 + x / 5040))))));
  return select(exp(x) - 1, p, abs(x) < ${T}(0.35));
}`,
  // Maclaurin series below 1, Abramowitz & Stegun 7.1.26 above, where its 1.5e-7 is a relative error too
  erf: (T) => `
fn erf_${T}(x: ${T}) -> ${T} {
  let a = min(abs(x), ${T}(6));
  let s = a * a;
  let small = x * (1.1283791671 + s * (-0.3761263890 + s * (0.1128379167 + s * (-0.0268661706 + s * (0.0052239776
    + s * (-0.0008548327 + s * (0.0001205533 + s * (-0.0000149257 + s * 0.0000016462))))))));
  let t = 1 / (1 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let large = sign(x) * (1 - p * exp(-s));
  return select(large, small, a < ${T}(1));
}`,
};

/** WGSL's spelling of a number as type T. @throws for infinities and NaN, which WGSL has no constants for */
export function wgslNumber(value: number, T = 'f32'): string {
  const float = Math.fround(value);
  if (!Number.isFinite(float)) {
    throw new Error(
      `expression: constant ${value} is not a finite f32; pass it as an input instead`,
    );
  }
  return `${T}(${float})`;
}

/**
 * Straight-line WGSL for expressions.
 * @param inputs WGSL for each input's value, already of type T
 * @param prefix makes the names of the temporaries unique
 */
export function expressionToWgsl(
  expressions: readonly Expression[],
  inputs: Readonly<Record<string, string>>,
  T: 'f32' | 'vec4f' = 'f32',
  prefix = 't',
): { statements: string; results: string[]; helpers: string } {
  const { steps, results } = linearize(expressions);
  const text = (operand: Operand): string => {
    if (operand.kind === 'constant') return wgslNumber(operand.value, T);
    if (operand.kind === 'step') return `${prefix}${operand.index}`;
    const value = inputs[operand.name];
    if (value === undefined) throw new Error(`expression: no WGSL for input "${operand.name}"`);
    return value;
  };
  const statements = steps.map(({ fn, args }, i) => {
    const [x = '', y = '', z = ''] = args.map(text);
    return `let ${prefix}${i} = ${templates[fn](T, x, y, z)};`;
  });
  const used = new Set(steps.map(({ fn }) => helpers[fn]?.(T) ?? ''));
  return {
    statements: statements.join('\n'),
    results: results.map(text),
    helpers: [...used].join(''),
  };
}
