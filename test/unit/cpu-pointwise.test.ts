import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loopNest } from '../../packages/tensor/src/broadcast.ts';
import { planPointwise } from '../../packages/tensor/src/cpu/pointwise/plan.ts';
import { ThreadPool } from '../../packages/tensor/src/cpu/pool.ts';
import { viewAs, type DType } from '../../packages/tensor/src/dtype.ts';
import { evaluate } from '../../packages/tensor/src/expression/evaluate.ts';
import { parse } from '../../packages/tensor/src/expression/parse.ts';
import { sizeOf } from '../../packages/tensor/src/shape.ts';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';

const pools = [1, 2].map((threads) => new ThreadPool({ threads, spawn: spawnNodeWorker }));
afterAll(() => pools.forEach((pool) => pool.destroy()));

interface Operand {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}
interface Case {
  readonly formulas: readonly string[];
  readonly shape: readonly number[];
  readonly inputs: Readonly<Record<string, Operand>>;
  readonly numbers?: Readonly<Record<string, number>>;
  readonly dtype?: DType;
  readonly outputType?: DType;
}

/** The value of an operand at a flat index of the broadcast shape. */
function valueAt({ shape, values }: Operand, target: readonly number[], index: number): number {
  let rest = index;
  let offset = 0;
  let stride = 1;
  for (let axis = target.length - 1; axis >= 0; axis--) {
    const length = shape[axis - target.length + shape.length] ?? 1;
    if (length > 1) offset += (rest % target[axis]!) * stride;
    rest = Math.floor(rest / target[axis]!);
    stride *= length;
  }
  return values[offset]!;
}

/** Runs a case; a sentinel behind each output shows a write past its end. */
function compute(pool: ThreadPool, c: Case): number[][] {
  const { dtype = 'f32', outputType = dtype } = c;
  const size = sizeOf(c.shape);
  const buffer = (): ArrayBuffer => pool.memory.memory.buffer as unknown as ArrayBuffer;
  const inputs = Object.entries(c.inputs).map(([name, { values }]) => {
    const pointer = pool.memory.allocate(4 * values.length);
    viewAs(dtype, buffer()).set(values, pointer / 4);
    return { name, dtype, pointer };
  });
  const outputs = c.formulas.map(() => {
    const pointer = pool.memory.allocate(4 * (size + 1));
    viewAs(outputType, buffer())[pointer / 4 + size] = 1234;
    return { dtype: outputType, pointer };
  });
  const plan = planPointwise({
    expressions: c.formulas.map(parse),
    nest: loopNest(
      c.shape,
      Object.values(c.inputs).map(({ shape }) => shape),
    ),
    inputs,
    outputs,
    numbers: c.numbers ?? {},
    compute: dtype,
  });
  const { key, build, words, taskCount } = plan;
  pool.run([{ kernel: pool.kernel(key, build), words, taskCount }]);
  const results = outputs.map(({ pointer }) => {
    const view = viewAs(outputType, buffer());
    expect(view[pointer / 4 + size]).toBe(1234);
    return [...view.slice(pointer / 4, pointer / 4 + size)];
  });
  for (const { pointer } of [...inputs, ...outputs]) pool.memory.release(pointer);
  return results;
}

function reference(c: Case): number[][] {
  return c.formulas.map(parse).map((expression) =>
    Array.from({ length: sizeOf(c.shape) }, (_, index) => {
      const entries = Object.entries(c.inputs).map(([name, operand]) => {
        return [name, valueAt(operand, c.shape, index)] as const;
      });
      return evaluate(expression, { ...c.numbers, ...Object.fromEntries(entries) });
    }),
  );
}

function expectCorrect(c: Case): void {
  const [one, two] = pools.map((pool) => compute(pool, c));
  expect(two).toEqual(one);
  reference(c).forEach((values, output) =>
    values.forEach((exact, i) => {
      const got = one![output]![i]!;
      if (Object.is(got, exact) || got === exact) return;
      if (Number.isNaN(exact)) return expect(got, c.formulas[output]).toBeNaN();
      expect(
        Math.abs(got - exact),
        `${c.formulas[output]} at ${i}: ${got}, exactly ${exact}`,
      ).toBeLessThan(1e-5 * (1 + Math.abs(exact)));
    }),
  );
}

/** Values in [-4, 4) that float32 holds exactly. */
const operand = (shape: readonly number[], seed: number): Operand => ({
  shape,
  values: Array.from(
    { length: sizeOf(shape) },
    (_, i) => (Math.imul(i + seed, 0x9e3779b1) >> 12) / 2 ** 17,
  ),
});

const formulas = [
  'x + y * z - s',
  'where(x < y, sin(x), cos(y)) + z',
  'tanh(x) * sigmoid(y) - erf(z)',
  'gelu(x) + silu(y) * softplus(z)',
  'expm1(x) / (1 + y * y) + log1p(abs(z))',
  'min(max(x, y), z) + floor(x * 3) - round(y * 3) * sign(z)',
  'pow(1 + abs(x), y) + (x <= z) - (y == z) + s * sqrt(abs(y))',
  'log(x)',
];

describe('pointwise kernels', () => {
  it('equal the formula, for any broadcast shapes, on one thread and on two', () => {
    const shapes = fc
      .array(fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 13), { maxLength: 4 })
      .chain((shape) =>
        fc.record({
          shape: fc.constant(shape),
          broadcast: fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 4, maxLength: 4 }),
          dropped: fc.nat(shape.length),
        }),
      );
    const pair = fc.subarray(formulas, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(shapes, pair, ({ shape, broadcast, dropped }, chosen) => {
        const y = shape.map((length, axis) => (broadcast[axis]![0] ? 1 : length));
        const z = shape.map((length, axis) => (broadcast[axis]![1] ? 1 : length)).slice(dropped);
        const inputs = { x: operand(shape, 1), y: operand(y, 2), z: operand(z, 3) };
        expectCorrect({ formulas: chosen, shape, inputs, numbers: { s: 0.375 } });
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['one long row', [100_003], [100_003]],
    ['a row broadcast', [517, 131], [131]],
    ['a column broadcast', [517, 131], [517, 1]],
    ['many short rows', [30_011, 3], [30_011, 1]],
    ['long rows', [3, 50_001], [3, 1]],
    ['a middle axis', [41, 37, 29], [41, 1, 29]],
    ['nothing', [0, 5], [5]],
  ])('split %s into tasks', (_, shape, other) => {
    const inputs = { x: operand(shape, 5), y: operand(other, 6) };
    expectCorrect({ formulas: ['x * exp(y) + 1', 'x - y'], shape, inputs });
  });

  it.each(['i32', 'u32'] as const)('compute in %s where all inputs have that type', (dtype) => {
    const low = dtype === 'i32' ? -2_000_000_000 : 0;
    const integer = fc.oneof(
      fc.integer({ min: Math.max(low, -9), max: 9 }),
      fc.integer({ min: low, max: 2e9 }),
    );
    const rows = fc.array(fc.tuple(integer, integer), { minLength: 1, maxLength: 9 });
    const exactFormulas = [
      'x',
      'min(x, y)',
      'max(x, y)',
      'x < y',
      'x <= y',
      'x == y',
      'where(x < y, x, y)',
      'sign(x)',
    ];
    fc.assert(
      fc.property(rows, (pairs) => {
        const shape = [pairs.length];
        const column = (k: 0 | 1): Operand => ({ shape, values: pairs.map((pair) => pair[k]) });
        const c: Case = {
          formulas: exactFormulas,
          shape,
          dtype,
          inputs: { x: column(0), y: column(1) },
        };
        expect(compute(pools[0]!, c)).toEqual(reference(c));
        const wrap = (value: number): number => (dtype === 'i32' ? value | 0 : value >>> 0);
        const arithmetic = compute(pools[0]!, {
          ...c,
          formulas: ['x + y', 'x * y', 'x - y', 'x / max(y, 1)'],
        });
        expect(arithmetic[0]).toEqual(pairs.map(([x, y]) => wrap(x + y)));
        expect(arithmetic[1]).toEqual(pairs.map(([x, y]) => wrap(Math.imul(x, y))));
        expect(arithmetic[2]).toEqual(pairs.map(([x, y]) => wrap(x - y)));
        expect(arithmetic[3]).toEqual(pairs.map(([x, y]) => wrap(x / Math.max(y, 1))));
      }),
    );
  });

  it('divide integers where the machine would trap', () => {
    const least = -(2 ** 31);
    const x: Operand = { shape: [6], values: [least, least, 7, -7, least, 7] };
    const y: Operand = { shape: [6], values: [-1, 0, 0, -1, 2, -2] };
    const run = (dtype: DType, values: readonly number[]): number[] => {
      const inputs = { x: { ...x, values }, y };
      return compute(pools[0]!, { formulas: ['x / y'], shape: [6], inputs, dtype })[0]!;
    };
    expect(run('i32', x.values)).toEqual([least, least, 7, 7, least / 2, -3]);
    const unsigned = [2 ** 31, 5, 7, 2 ** 32 - 1, 9, 7];
    expect(run('u32', unsigned)).toEqual([0, 5, 7, 1, 4, 0]);
  });

  it('cast between dtypes', () => {
    const x: Operand = { shape: [5], values: [-1.5, 0, 2.75, 1e6, -7] };
    const base = { formulas: ['x'], shape: [5] };
    const [truncated] = compute(pools[0]!, { ...base, inputs: { x }, outputType: 'i32' });
    expect(truncated).toEqual([-1, 0, 2, 1e6, -7]);
    const large: Operand = { shape: [2], values: [4e9, 3] };
    const [floats] = compute(pools[0]!, {
      ...base,
      shape: [2],
      inputs: { x: large },
      dtype: 'u32',
      outputType: 'f32',
    });
    expect(floats).toEqual([4e9, 3]);
  });

  it('say which function integers lack', () => {
    const x: Operand = { shape: [1], values: [1] };
    const run = () =>
      compute(pools[0]!, { formulas: ['exp(x)'], shape: [1], inputs: { x }, dtype: 'i32' });
    expect(run).toThrow('"exp" is not defined for i32');
  });

  it('tell infinite and NaN constants apart', () => {
    const run = (value: number): number => {
      const pointer = pools[0]!.memory.allocate(4);
      const { key, build, words, taskCount } = planPointwise({
        expressions: [{ kind: 'constant', value }],
        nest: loopNest([1], []),
        inputs: [],
        outputs: [{ dtype: 'f32', pointer }],
        numbers: {},
        compute: 'f32',
      });
      pools[0]!.run([{ kernel: pools[0]!.kernel(key, build), words, taskCount }]);
      return new Float32Array(pools[0]!.memory.memory.buffer)[pointer / 4]!;
    };
    expect([Infinity, NaN, -Infinity].map(run)).toEqual([Infinity, NaN, -Infinity]);
  });
});
