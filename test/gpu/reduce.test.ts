import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  argmax,
  cast,
  crossEntropy,
  logSoftmax,
  logSumExp,
  mapReduce,
  max,
  mean,
  min,
  scope,
  softmax,
  sum,
  tensor,
  variance,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { uniformSource } from '@farmer/tensor/conformance';
import { testAdapters } from '../support/devices.ts';

for (const adapter of testAdapters) {
  describe(`reductions on ${adapter}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ adapter });
    });
    afterAll(() => device.destroy());

    const make = (values: ArrayLike<number>, shape: number[]) =>
      tensor(values, shape, 'f32', device);
    const values = async (body: () => Tensor) => [...(await scope(body).data())];

    test('nothing reduces to the identity', async () => {
      const x = make([], [2, 0]);
      expect(await values(() => sum(x, { axes: [1] }))).toEqual([0, 0]);
      expect(await values(() => max(x, { axes: [1] }))).toEqual([-Infinity, -Infinity]);
      expect(await values(() => min(x, { axes: [1] }))).toEqual([Infinity, Infinity]);
      expect(await values(() => logSumExp(x, { axes: [1] }))).toEqual([-Infinity, -Infinity]);
      expect(await values(() => mean(x))).toEqual([NaN]);
      expect(() => argmax(x)).toThrow('argmax: axis 1 of [2, 0] is empty');
      expect(await values(() => sum(make([], [3, 0, 5]), { axes: [0, 1] }))).toEqual(
        Array<number>(5).fill(0),
      );
    });

    test.each([1, 3, 8, 64, 1000])('log-sum-exp of rows of %i keeps infinities', async (length) => {
      const rows = [-Infinity, Infinity, 300, -300].flatMap((value) =>
        Array<number>(length).fill(value),
      );
      rows[length * 2] = -Infinity;
      const x = make(rows, [4, length]);
      const expected = [
        -Infinity,
        Infinity,
        length > 1 ? 300 + Math.log(length - 1) : -Infinity,
        -300 + Math.log(length),
      ].map(Math.fround);
      const last = await values(() => logSumExp(x, { axes: [1] }));
      last.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3));
      const first = make(
        Array.from({ length: 4 * length }, (_, i) => rows[(i % 4) * length + Math.floor(i / 4)]!),
        [length, 4],
      );
      const columns = await values(() => logSumExp(first, { axes: [0] }));
      columns.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3));
    });

    test.each([[[1_000_000]], [[1_000_003]], [[250_001, 4]]])(
      'the sum of %j values between 0 and 1 is right to 2e-7, and the same each time',
      async (shape) => {
        const uniform = uniformSource(5);
        const size = shape.reduce((a, b) => a * b, 1);
        const data = Float32Array.from({ length: size }, uniform);
        const x = make(data, shape);
        const exact = data.reduce((total, value) => total + value, 0);
        const [first] = await values(() => sum(x));
        expect(Math.abs(first! - exact) / exact).toBeLessThan(2e-7);
        for (let i = 0; i < 3; i++) expect(await values(() => sum(x))).toEqual([first]);
      },
    );

    test('a bias gradient, the sum over 3200 rows, is right to 2e-5', async () => {
      const uniform = uniformSource(6);
      const data = Float32Array.from({ length: 3200 * 192 }, () => uniform() - 0.5);
      const exact = new Float64Array(192);
      data.forEach((value, i) => (exact[i % 192]! += value));
      const sums = await values(() => sum(make(data, [3200, 192]), { axes: [0] }));
      sums.forEach((value, i) => expect(Math.abs(value - exact[i]!)).toBeLessThan(2e-5));
    });

    test('variance of large values does not cancel', async () => {
      const x = make([10000, 10001, 10002, 10003], [4]);
      expect(await values(() => variance(x))).toEqual([1.25]);
    });

    test('softmax and logSoftmax along an inner axis match those along the last', async () => {
      const x = make([1, 5, 2, -3, 80, 0.5], [3, 2]);
      const turned = make([1, 2, 80, 5, -3, 0.5], [2, 3]);
      for (const along of [softmax, logSoftmax]) {
        const [a, b, c, d, e, f] = await values(() => along(turned));
        const inner = await values(() => along(x, { axis: 0 }));
        [a, d, b, e, c, f].forEach((value, i) => expect(inner[i]).toBeCloseTo(value!, 5));
      }
    });

    test('mapReduce ignores the order and presence of unused inputs, and reduces long rows', async () => {
      const x = make(
        Float32Array.from({ length: 40000 }, (_, i) => (i % 2 ? 1 : -1)),
        [2, 20000],
      );
      const unused = make([0, 0], [2, 1]);
      const options = { reduce: 'sum' } as const;
      expect(await values(() => mapReduce('x * x', { unused, x }, options))).toEqual([
        20000, 20000,
      ]);
      const short = make([1, 2, 3, 4], [1, 4]);
      const wide = make([0, 0, 0, 0, 0, 0, 0, 0], [2, 4]);
      expect(await values(() => mapReduce('x * k', { x: short, wide, k: 2 }, options))).toEqual([
        20, 20,
      ]);
      expect(() => mapReduce('x * y', { x: short, k: 2 }, options)).toThrow(
        'mapReduce: no input "y"; there are x, k',
      );
    });

    test('softmax gives masked entries 0', async () => {
      const x = make([0, -Infinity, 0, -Infinity, -Infinity], [1, 5]);
      expect(await values(() => softmax(x))).toEqual([0.5, 0, 0.5, 0, 0]);
    });

    test('a label that is no class gives NaN', async () => {
      const logits = make([1, 2, 3, 1, 2, 3, 1, 2, 3], [3, 3]);
      const labels = tensor([2, 3, -1], [3], 'i32', device);
      const [right, ...wrong] = await values(() => crossEntropy(logits, labels));
      expect(right).toBeCloseTo(Math.log(1 + Math.exp(-1) + Math.exp(-2)), 5);
      expect(wrong).toEqual([NaN, NaN]);
    });

    test('cast drops fractions and keeps whole numbers', async () => {
      const whole = scope(() => cast(make([1.7, -1.7, 3, 0], [4]), 'i32'));
      expect(whole.dtype).toBe('i32');
      expect([...(await whole.data())]).toEqual([1, -1, 3, 0]);
      expect(await values(() => cast(whole, 'f32'))).toEqual([1, -1, 3, 0]);
    });
  });
}
