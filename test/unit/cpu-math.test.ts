import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as math from '../../packages/tensor/src/cpu/math.ts';
import { erf } from '../../packages/tensor/src/expression/primitives.ts';
import { ModuleBuilder } from '../../packages/tensor/src/cpu/wasm/index.ts';

/** Runs a vector function on any number of values, in a module of its own. */
function evaluator(fn: math.VectorFunction): (values: Float32Array) => Float32Array {
  const builder = new ModuleBuilder();
  builder.kernel((f, end) => {
    f.loop(0, end, 16, (i) => f.store(i, fn(f, f.let(f.f32x4(i)))));
  });
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
  const module = new WebAssembly.Module(builder.build(false));
  const instance = new WebAssembly.Instance(module, { env: { memory, scratch: 0 } });
  const apply = instance.exports.kernel as (end: number, task: number) => void;
  return (values) => {
    const padded = Math.ceil(values.length / 4) * 4;
    const view = new Float32Array(memory.buffer, 0, padded);
    view.set(values);
    apply(4 * padded, 0);
    return view.slice(0, values.length);
  };
}

/** Every `step`-th float32, by bit pattern: all magnitudes and both signs alike. */
function sweep(low: number, high: number, step = 7919): Float32Array {
  const count = Math.floor(2 ** 32 / step);
  const all = new Float32Array(Uint32Array.from({ length: count }, (_, i) => i * step).buffer);
  return all.filter((x) => x >= low && x <= high).slice(0, 900_000);
}

const float32Of = fc.float({ noNaN: true, noDefaultInfinity: true });
/** Below this, float32 has fewer bits, so the error is counted absolutely. */
const smallestNormal = 2 ** -126;

interface Case {
  readonly fn: math.VectorFunction;
  readonly reference: (x: number) => number;
  readonly low: number;
  readonly high: number;
  readonly relative: number;
  readonly special: readonly number[];
}
const everywhere = { low: -3.4e38, high: 3.4e38 };
const cases: Record<string, Case> = {
  exp: {
    fn: math.exp,
    reference: Math.exp,
    ...everywhere,
    relative: 3e-7,
    special: [88.73, -103.9],
  },
  expm1: {
    fn: math.expm1,
    reference: Math.expm1,
    ...everywhere,
    relative: 3e-7,
    special: [88.72, 0.3466],
  },
  log: {
    fn: math.log,
    reference: Math.log,
    ...everywhere,
    relative: 3e-7,
    special: [1e-45, 1e-40, 1],
  },
  log1p: {
    fn: math.log1p,
    reference: Math.log1p,
    ...everywhere,
    relative: 4e-7,
    special: [-1, -1.5],
  },
  tanh: {
    fn: math.tanh,
    reference: Math.tanh,
    ...everywhere,
    relative: 4e-7,
    special: [60, -1e30],
  },
  sigmoid: {
    fn: math.sigmoid,
    reference: (x) => 1 / (1 + Math.exp(-x)),
    low: -80,
    high: 3e38,
    relative: 4e-7,
    special: [-200],
  },
  softplus: {
    fn: math.softplus,
    reference: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    ...everywhere,
    relative: 4e-7,
    special: [],
  },
  erf: { fn: math.erf, reference: erf, low: -1e5, high: 1e5, relative: 4e-7, special: [] },
  rsqrt: {
    fn: math.rsqrt,
    reference: (x) => 1 / Math.sqrt(x),
    low: 1e-38,
    high: 3e38,
    relative: 2e-7,
    special: [],
  },
};

describe.each(Object.entries(cases))('%s', (_, { fn, reference, low, high, relative, special }) => {
  const evaluate = evaluator(fn);
  const check = (values: Float32Array): void => {
    const results = evaluate(values);
    let worst = 0;
    let worstAt = '';
    values.forEach((x, i) => {
      const exact = reference(x);
      const got = results[i]!;
      if (Object.is(Math.fround(exact), got) || (Number.isNaN(exact) && Number.isNaN(got))) return;
      const error = Math.abs(got - exact) / Math.max(Math.abs(exact), smallestNormal);
      if (!(error <= worst)) {
        worst = error;
        worstAt = `f(${x}) = ${got}, exactly ${exact}`;
      }
    });
    expect(worst, worstAt).toBeLessThanOrEqual(relative);
  };

  it('is accurate at magnitudes of every size', () => check(sweep(low, high)));
  it('is accurate in the range that models use', () =>
    check(
      Float32Array.from({ length: 200_001 }, (_, i) => (i - 100_000) / 5_000).filter(
        (x) => x >= low,
      ),
    ));
  it('is accurate for arbitrary floats', () => {
    fc.assert(
      fc.property(fc.array(float32Of, { minLength: 1, maxLength: 9 }), (values) =>
        check(Float32Array.from(values.filter((x) => x >= low && x <= high))),
      ),
    );
  });
  it('is right at zeros, infinities, NaN and the edges of its branches', () =>
    check(Float32Array.of(0, -0, Infinity, -Infinity, NaN, ...special)));
});

describe.each([
  ['sin', math.sin, Math.sin],
  ['cos', math.cos, Math.cos],
] as const)('%s', (_, fn, reference) => {
  it('has an absolute error below 1e-6 up to 10⁴', () => {
    const values = sweep(-1e4, 1e4, 4001);
    const results = evaluator(fn)(values);
    const worst = values.reduce((w, x, i) => Math.max(w, Math.abs(results[i]! - reference(x))), 0);
    expect(worst).toBeLessThan(1e-6);
  });
  it('is NaN at infinities and NaN', () => {
    for (const y of evaluator(fn)(Float32Array.of(Infinity, -Infinity, NaN))) expect(y).toBeNaN();
  });
});

describe('pow', () => {
  const power = (x: number, y: number): number =>
    evaluator((f, v) => math.pow(f, v, f.let(v.mul(0).eq(0).select(y, y))))(Float32Array.of(x))[0]!;

  it('is accurate in proportion to 1 + |y ln x|', () => {
    const base = fc.float({ min: Math.fround(1e-3), max: 1000, noNaN: true });
    const exponent = fc.float({ min: -10, max: 10, noNaN: true });
    fc.assert(
      fc.property(base, exponent, (x, y) => {
        const exact = x ** y;
        const bound = 3e-7 * (1 + Math.abs(y * Math.log(x)));
        expect(Math.abs(power(x, y) - exact) / exact).toBeLessThan(bound);
      }),
    );
  });
  it.each([
    [-2, 3, -8],
    [-2, 2, 4],
    [-2, 0.5, NaN],
    [0, 2, 0],
    [0, -1, Infinity],
    [0, 0, 1],
    [-3, 0, 1],
    [1, 1e30, 1],
    [NaN, 2, NaN],
    [Infinity, -1, 0],
  ])('%f to the power of %f is %f', (x, y, expected) => {
    const got = power(x, y);
    if (Number.isNaN(expected)) expect(got).toBeNaN();
    else if (!Number.isFinite(expected) || expected === 0) expect(got).toBe(expected);
    else expect(Math.abs(got / expected - 1)).toBeLessThan(1e-6);
  });
});
