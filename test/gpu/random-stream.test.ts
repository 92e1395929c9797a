import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  fill,
  philoxNormals,
  philoxUniforms,
  RandomSource,
  RandomStream,
  tensor,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { distanceToNormal, moments } from '../support/statistics.ts';
import { openTestDevice, testDevices } from '../support/devices.ts';

const seed = 0x123456789abcdefn;
const count = 100_001;

for (const name of testDevices) {
  describe(`RandomStream on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openTestDevice(name);
    });
    afterAll(() => device.destroy());

    async function values(tensor: Tensor) {
      const data = await tensor.data();
      tensor.dispose();
      return data;
    }

    test('uniforms equal the host twin bit for bit', async () => {
      const stream = new RandomStream(seed, device);
      stream.setStep(2 ** 40 + 3);
      await values(stream.uniform([2]));
      const actual = await values(stream.uniform([count]));
      const expected = philoxUniforms(seed, 2 ** 40 + 3, 1, count);
      expect(Buffer.from(actual.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    });

    test('normals equal the host twin within float32 rounding, and are normal', async () => {
      const stream = new RandomStream(seed, device);
      const actual = await values(stream.normal([count]));
      const expected = philoxNormals(seed, 0, 0, count);
      const worst = expected.reduce((most, value, i) => {
        return Math.max(most, Math.abs(value - actual[i]!) / Math.max(1, Math.abs(value)));
      }, 0);
      expect(worst).toBeLessThan(6e-7);
      const { mean, variance } = moments(actual);
      expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
      expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
      expect(distanceToNormal(actual)).toBeLessThan(1.95 / Math.sqrt(count));
    });

    test('a step repeats, calls and steps differ', async () => {
      const stream = new RandomStream(5, device);
      stream.setStep(9);
      const first = await values(stream.uniform([8]));
      const second = await values(stream.uniform([8]));
      stream.setStep(10);
      const later = await values(stream.uniform([8]));
      stream.setStep(9);
      expect(await values(stream.uniform([8]))).toEqual(first);
      expect(second).not.toEqual(first);
      expect(later).not.toEqual(first);
    });

    test('a captured step draws new numbers when only the step is set', async () => {
      const stream = new RandomStream(6, device);
      let drawn: Tensor | undefined;
      stream.setStep(1);
      const graph = device.capture(() => {
        drawn = stream.normal([33]);
      });
      for (const step of [1, 2, 7]) {
        stream.setStep(step);
        graph.replay();
        const actual = await drawn!.data();
        philoxNormals(6, step, 0, 33).forEach((value, i) =>
          expect(actual[i]).toBeCloseTo(value, 5),
        );
      }
      graph.dispose();
    });

    test('split gives streams of their own, the same for a seed, step and call', async () => {
      const stream = new RandomStream(9, device);
      const statesAt = (step: number) => {
        stream.setStep(step);
        return stream.split(50).data();
      };
      const states = await statesAt(3);
      expect(await statesAt(3)).toEqual(states);
      expect(await statesAt(4)).not.toEqual(states);
      const drawn = new Set<number>();
      for (let i = 0; i < 50; i++) {
        const source = new RandomSource(tensor(states.slice(4 * i, 4 * i + 4), [4], 'u32', device));
        (await values(source.normal([40]))).forEach((value) => drawn.add(value));
      }
      // 24-bit uniforms make equal normals rare, but not impossible.
      expect(drawn.size).toBeGreaterThan(50 * 40 - 5);
    });

    // Both kernels: an invocation for a short row, a workgroup for a long one.
    test.each([5, 200])('draws of %i classes follow softmax(logits)', async (classes) => {
      const stream = new RandomStream(7, device);
      const weights = Array.from({ length: classes }, (_, c) => (c === 1 ? 0 : 1 + (c % 3)));
      const rows = classes > 100 ? 4000 : 20_000;
      const logits = weights.map((weight) => Math.log(weight));
      const all = Array.from({ length: rows * classes }, (_, e) => logits[e % classes]!);
      const drawn = await values(stream.categorical(tensor(all, [rows, classes], 'f32', device)));
      const seen = new Float64Array(classes);
      drawn.forEach((c) => seen[c]!++);
      const total = weights.reduce((a, b) => a + b);
      expect(seen[1]).toBe(0);
      const chiSquare = weights.reduce((sum, weight, c) => {
        const expected = (rows * weight) / total;
        return weight ? sum + (seen[c]! - expected) ** 2 / expected : sum;
      }, 0);
      // Mean k, deviation √2k with k = classes − 2 degrees of freedom.
      expect(chiSquare).toBeLessThan(classes - 2 + 4 * Math.sqrt(2 * (classes - 2)));
    });

    test('a row without any possible class gives class 0', async () => {
      const stream = new RandomStream(8, device);
      const impossible = fill([3, 130], -Infinity, 'f32', device);
      expect([...(await values(stream.categorical(impossible)))]).toEqual([0, 0, 0]);
    });
  });
}
