/**
 * The functions that every device implements. `derivatives` are the partial derivatives with respect to
 * each argument, as expressions in the argument names x, y, z; '0' where the function is flat. At a kink they are one of
 * the subgradients: 0 for abs, and of the equal arguments of min and max the first's.
 */
interface PrimitiveRule {
  readonly args: readonly string[];
  readonly evaluate: (x: number, y: number, z: number) => number;
  readonly derivatives: readonly string[];
}

const rule = (
  args: string,
  evaluate: PrimitiveRule['evaluate'],
  ...derivatives: string[]
): PrimitiveRule => ({ args: args.split(' '), evaluate, derivatives });

const bool = (value: boolean) => (value ? 1 : 0);

export const primitives = {
  add: rule('x y', (x, y) => x + y, '1', '1'),
  subtract: rule('x y', (x, y) => x - y, '1', '-1'),
  multiply: rule('x y', (x, y) => x * y, 'y', 'x'),
  divide: rule('x y', (x, y) => x / y, '1 / y', '-(x / (y * y))'),
  negate: rule('x', (x) => -x, '-1'),
  abs: rule('x', Math.abs, 'sign(x)'),
  sign: rule('x', Math.sign, '0'),
  exp: rule('x', Math.exp, 'exp(x)'),
  expm1: rule('x', Math.expm1, 'exp(x)'),
  log: rule('x', Math.log, '1 / x'),
  log1p: rule('x', Math.log1p, '1 / (1 + x)'),
  sqrt: rule('x', Math.sqrt, '0.5 / sqrt(x)'),
  tanh: rule('x', Math.tanh, '1 - tanh(x) * tanh(x)'),
  // 2/√π
  erf: rule('x', erf, '1.1283791670955126 * exp(-(x * x))'),
  // Not definitions by exp: where it overflows, derivatives of those would multiply 0 by infinity.
  sigmoid: rule('x', (x) => 1 / (1 + Math.exp(-x)), 'sigmoid(x) * (1 - sigmoid(x))'),
  softplus: rule('x', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), 'sigmoid(x)'),
  sin: rule('x', Math.sin, 'cos(x)'),
  cos: rule('x', Math.cos, '-sin(x)'),
  floor: rule('x', Math.floor, '0'),
  round: rule('x', roundHalfEven, '0'),
  min: rule('x y', (x, y) => Math.min(x, y), 'x <= y', 'x > y'),
  max: rule('x y', (x, y) => Math.max(x, y), 'x >= y', 'x < y'),
  pow: rule('x y', Math.pow, 'y * pow(x, y - 1)', 'pow(x, y) * log(x)'),
  less: rule('x y', (x, y) => bool(x < y), '0', '0'),
  lessEqual: rule('x y', (x, y) => bool(x <= y), '0', '0'),
  equal: rule('x y', (x, y) => bool(x === y), '0', '0'),
  /** where(condition, a, b): a where the condition is not 0; for its derivative see differentiate.ts. */
  where: rule('x y z', (x, y, z) => (x !== 0 ? y : z)),
} satisfies Record<string, PrimitiveRule>;

export type Primitive = keyof typeof primitives;

/** Of a formula whose inputs are integers, for which a function has no meaning. */
export function undefinedFunction(fn: Primitive, dtype: string): Error {
  return new Error(`map: "${fn}" is not defined for ${dtype}; cast the tensors to f32 first`);
}

/** Functions that are shorthand for expressions in the primitives. */
export const definitions: Readonly<Record<string, { args: readonly string[]; body: string }>> = {
  rsqrt: { args: ['x'], body: '1 / sqrt(x)' },
  square: { args: ['x'], body: 'x * x' },
  silu: { args: ['x'], body: 'x * sigmoid(x)' },
  // In this order: of equals, the first has the derivative, so that relu'(0) = 0 as elsewhere.
  relu: { args: ['x'], body: 'max(0, x)' },
  // Hendrycks & Gimpel 2016, exact and with the tanh approximation
  gelu: { args: ['x'], body: '0.5 * x * (1 + erf(x * 0.7071067811865476))' },
  geluTanh: {
    args: ['x'],
    body: '0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))',
  },
  clamp: { args: ['x', 'low', 'high'], body: 'min(max(x, low), high)' },
  greater: { args: ['x', 'y'], body: 'less(y, x)' },
  greaterEqual: { args: ['x', 'y'], body: 'lessEqual(y, x)' },
  notEqual: { args: ['x', 'y'], body: '1 - equal(x, y)' },
  /** ½(x + √(x² + 4)) (Barron 2021), without cancellation for x < 0. */
  squareplus: {
    args: ['x'],
    body: 'where(x > 0, 0.5 * (x + sqrt(x * x + 4)), 2 / (sqrt(x * x + 4) - x))',
  },
};

function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Error function: Maclaurin series below 3, continued fraction of erfc (Lentz) above; relative error 1e-15. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}
