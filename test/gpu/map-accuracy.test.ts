import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { map, tensor, type Device } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { erf } from '../../packages/tensor/src/expression/primitives.ts';
import { testAdapters } from '../support/devices.ts';

for (const adapter of testAdapters) {
  describe(`pointwise functions on ${adapter}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ adapter: adapter });
    });
    afterAll(() => device.destroy());

    /** The largest error of a function, over all arguments. */
    async function worstError(
      name: string,
      at: Float32Array,
      errorOf: (value: number, x: number) => number,
    ): Promise<number> {
      const x = tensor(at, [at.length], 'f32', device);
      const values = await map(`${name}(x)`, { x }).data();
      return at.reduce((most, each, i) => Math.max(most, errorOf(values[i]!, each)), 0);
    }

    const angles = Float32Array.from({ length: 20000 }, (_, i) => (i - 10000) * 0.0371 ** (i % 3));
    test.each([
      ['sin', Math.sin],
      ['cos', Math.cos],
    ])('%s is right to 3e-7 for angles up to 10000', async (name, exact) => {
      const worst = await worstError(name, angles, (value, x) => Math.abs(value - exact(x)));
      expect(worst).toBeLessThan(3e-7);
    });

    // Dense around 0, out to where drivers' own functions overflow.
    const steps = Float32Array.from({ length: 20001 }, (_, i) => ((i - 10000) / 1000) ** 3 / 10);
    test.each([
      ['tanh', Math.tanh],
      ['erf', erf],
    ])('%s is right to 5e-7 of its value', async (name, exact) => {
      const worst = await worstError(name, steps, (value, x) => {
        const expected = exact(x);
        return Math.abs(value - expected) / (Math.abs(expected) || 1);
      });
      expect(worst).toBeLessThan(5e-7);
    });

    // Both signs and all sizes below 1; within 1e-8 the result is the argument.
    const small = Float32Array.from(
      { length: 4001 },
      (_, i) => (i % 2 ? 1 : -1) * 10 ** (i / 500 - 8.1),
    );
    test.each([
      ['log1p', Math.log1p],
      ['expm1', Math.expm1],
    ])('%s is right to 1e-6 of its value, however near to 0', async (name, exact) => {
      const worst = await worstError(name, small, (value, x) => Math.abs(value / exact(x) - 1));
      expect(worst).toBeLessThan(1e-6);
    });

    test('a constant of a formula may have any size', async () => {
      const x = tensor([1], [1], 'f32', device);
      for (const constant of [1e-30, 1e15, 1e19, 1e20, 1e21, 1e30]) {
        const [value] = await map(`x * ${constant}`, { x }).data();
        expect(value! / constant).toBeCloseTo(1, 6);
      }
    });

    test('integers keep whole constants, drop fractions, and refuse functions of floats', async () => {
      const x = tensor([1, -2], [2], 'i32', device);
      const values = async (formula: string) => [...(await map(formula, { x }).data())];
      expect(await values('x + 16777217')).toEqual([16777218, 16777215]);
      expect(await values('x * 1.5')).toEqual([1, -2]);
      expect(await values('x - 2147483648')).toEqual([-2147483647, 2147483646]);
      expect(() => map('exp(x)', { x })).toThrow('"exp" is not defined for i32');
      expect(await values('x + 1')).toEqual([2, -1]);
    });

    test.each(['i32', 'u32'] as const)('%s inputs broadcast beside floats', async (dtype) => {
      const x = tensor([0.5, 1.5, 2.5, 3.5], [1, 4], 'f32', device);
      const column = tensor([1, 2], [2, 1], dtype, device);
      const row = tensor([1, 2, 3, 4], [4], dtype, device);
      const values = await map('x * column + row', { x, column, row }).data();
      expect([...values]).toEqual([1.5, 3.5, 5.5, 7.5, 2, 5, 8, 11]);
    });
  });
}
