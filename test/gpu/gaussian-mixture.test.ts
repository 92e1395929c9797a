import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  apply,
  gaussianMixtureLogProb,
  ndarray,
  registry,
  sampleGaussianMixture,
  sampleRandom,
  scope,
  tensor,
  type Device,
  type NdArray,
  type Tensor,
} from '@farmer/tensor';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import { openTestDevice, testDevices } from '../support/devices.ts';

const density = registry.find(({ name }) => name === 'gaussianMixtureLogProb')!;
const params = (components: number) => ({ components, logitScale: 1, scale: 1 });

for (const name of testDevices) {
  describe(`Gaussian mixtures on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openTestDevice(name);
    });
    afterAll(() => device.destroy());

    const upload = ({ data, shape }: NdArray) => tensor(data, shape, 'f32', device);

    async function logProb(z: NdArray, head: NdArray, components: number): Promise<Float32Array> {
      const result = scope(() => gaussianMixtureLogProb(upload(z), upload(head), { components }));
      const values = (await result.data()) as Float32Array;
      result.dispose();
      return values;
    }

    async function gradients(z: NdArray, head: NdArray, components: number): Promise<number[][]> {
      const results = scope(() => {
        const inputs = [upload(z), upload(head)];
        const outputs = apply(density, inputs, params(components));
        const ones = outputs[0]!.size;
        return density.vjp!({
          inputs,
          outputs,
          params: params(components),
          gradients: [tensor(new Float32Array(ones).fill(1), outputs[0]!.shape), null],
          needed: [true, true],
          takeSum: () => undefined,
        }) as Tensor[];
      });
      const values = await Promise.all(results.map(async (result) => [...(await result.data())]));
      results.forEach((result) => result.dispose());
      return values;
    }

    test.each([1, 3])('the smallest std and 50 σ away, %i values a group', async (values) => {
      // raw = −1e9 gives squareplus 1e-9, so std = 1e-6; raw = 0 gives std 1.
      const head = ndarray([1, 10], [0.3, -0.7, 0, 0.5, 0, 0, -1e9, -1e9, 0, 0].map(Math.fround));
      const z = ndarray(
        [1, values, 2],
        [0, Math.fround(0.5 + 3e-6), 50, -50, 5e4, 1].slice(0, 2 * values),
      );
      const expected = density.reference([z, head], params(2))[0]!;
      const actual = await logProb(z, head, 2);
      expect(mismatch(actual, expected.data, { absolute: 0.2, relative: 1e-5 })).toBeUndefined();
      const [dz, dhead] = await gradients(z, head, 2);
      expect([...dz!, ...dhead!].every(Number.isFinite)).toBe(true);
      // Where the std is clamped its raw scale has no gradient.
      expect(dhead!.slice(6, 8).every((x) => x === 0)).toBe(true);
    });

    test('squareplus keeps its accuracy far below zero', async () => {
      const raw = Math.fround(-3000);
      const std = 2 / (Math.sqrt(raw * raw + 4) - raw);
      const [actual] = await logProb(ndarray([1, 1, 1], [0]), ndarray([1, 3], [0, 0, raw]), 1);
      expect(actual).toBeCloseTo(-Math.log(std) - 0.5 * Math.log(2 * Math.PI), 4);
    });

    test('K equal components are one, and their order does not matter', async () => {
      const random = sampleRandom(uniformSource(7));
      const [n, d, k] = [5, 4, 8];
      const one = random.normals([1, 1 + 2 * d]).data;
      const z = random.normals([1, n, d]);
      const repeat = (from: number, to: number) =>
        Array(k)
          .fill([...one.slice(from, to)])
          .flat();
      const logits = random.normals([k]).data;
      const many = ndarray(
        [1, k * (1 + 2 * d)],
        [...logits, ...(repeat(1, 1 + d) as number[]), ...(repeat(1 + d, 1 + 2 * d) as number[])],
      );
      const single = await logProb(z, ndarray([1, 1 + 2 * d], one), 1);
      expect(mismatch(await logProb(z, many, k), single)).toBeUndefined();

      const head = random.normals([1, k * (1 + 2 * d)]).data;
      const parts = Array.from({ length: k }, (_, c) => [
        [head[c]!],
        [...head.slice(k + c * d, k + (c + 1) * d)],
        [...head.slice(k + (k + c) * d, k + (k + c + 1) * d)],
      ]).reverse();
      const reversed = [0, 1, 2].flatMap((part) => parts.flatMap((p) => p[part]!));
      const forward = await logProb(z, ndarray([1, head.length], head), k);
      const backward = await logProb(z, ndarray([1, head.length], reversed), k);
      expect(mismatch(backward, forward)).toBeUndefined();
    });

    test('integrates to 1 in one dimension', async () => {
      const count = 4001;
      const step = 40 / (count - 1);
      const grid = Array.from({ length: count }, (_, i) => -20 + i * step);
      const head = ndarray([1, 9], [0.2, -0.5, 1, -3, 0, 4, 0.3, -1.5, 1]);
      const values = await logProb(ndarray([1, count, 1], grid), head, 3);
      const integral = values.reduce((sum, x) => sum + Math.exp(x) * step, 0);
      expect(integral).toBeCloseTo(1, 4);
    });

    test('a shared head collects the same gradient every time, to the bit', async () => {
      const random = sampleRandom(uniformSource(11));
      const [groups, n, d, k] = [3, 49, 8, 16];
      const z = random.normals([groups, n, d]);
      const head = random.normals([groups, k * (1 + 2 * d)]);
      expect(await gradients(z, head, k)).toEqual(await gradients(z, head, k));
    });

    test('a head without values has a gradient of zeros', async () => {
      const head = ndarray([2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      // Leaves no zeros in the blocks that the gradient may take.
      const none = new Float32Array(10).fill(NaN);
      scope(() => void Array.from({ length: 20 }, () => tensor(none, [2, 5], 'f32', device)));
      const [, ofHead] = await gradients(ndarray([2, 0, 2], []), head, 1);
      expect(ofHead).toEqual(new Array(10).fill(0));
    });

    test('samples have the mixture’s moments, and scale 0 gives means', async () => {
      const random = sampleRandom(uniformSource(5));
      const count = 20000;
      // Weights softmax(log 3, 0) = 3/4, 1/4; means −1, 2; stds 1 (raw 0) and squareplus(1.5) = 2.
      const head = [Math.log(3), 0, -1, 2, 0, 1.5];
      const draw = (scale: number) =>
        scope(() =>
          sampleGaussianMixture(
            tensor(head, [1, 6]),
            upload(random.uniforms([1, count], 0, 1)),
            upload(random.normals([1, count, 1])),
            { components: 2, scale },
          ),
        );
      const draws = draw(1);
      const values = (await draws.data()) as Float32Array;
      const mean = values.reduce((a, b) => a + b, 0) / count;
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count;
      expect(mean).toBeCloseTo(-0.25, 1);
      // 3/4 (1 + 0.75²) + 1/4 (4 + 2.25²)
      expect(Math.abs(variance - 3.4375)).toBeLessThan(0.15);
      const still = draw(0);
      const means = new Set(await still.data());
      expect([...means].sort((a, b) => a - b)).toEqual([-1, 2]);
      draws.dispose();
      still.dispose();
    });
  });
}
