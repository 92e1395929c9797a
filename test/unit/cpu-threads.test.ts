import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  apply,
  CpuDevice,
  ndarray,
  sampleRandom,
  scope,
  tensor,
  type NdArray,
  type Op,
} from '@farmer/tensor';
import { addAssignOp } from '../../packages/tensor/src/ops/add-assign.ts';
import { adamwOp } from '../../packages/tensor/src/ops/adamw.ts';
import { affineFlowBackwardOp, affineFlowOp } from '../../packages/tensor/src/ops/affine-flow.ts';
import { assignOp } from '../../packages/tensor/src/ops/assign.ts';
import { cacheWriteOp } from '../../packages/tensor/src/ops/cache-write.ts';
import { emaOp } from '../../packages/tensor/src/ops/ema.ts';
import {
  gaussianMixtureBackwardOp,
  gaussianMixtureOp,
} from '../../packages/tensor/src/ops/gaussian-mixture.ts';
import { globalNormOp } from '../../packages/tensor/src/ops/global-norm.ts';
import {
  randomCategoricalOp,
  randomNormalOp,
  randomUniformOp,
} from '../../packages/tensor/src/ops/random.ts';
import { sampleGaussianMixtureOp } from '../../packages/tensor/src/ops/sample-gaussian-mixture.ts';
import { sgdOp } from '../../packages/tensor/src/ops/sgd.ts';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';

let single: CpuDevice;
let pair: CpuDevice;
beforeAll(() => {
  single = new CpuDevice({ threads: 1 });
  pair = new CpuDevice({ threads: 2, spawn: spawnNodeWorker });
});
afterAll(() => {
  single.destroy();
  pair.destroy();
});

const random = sampleRandom(uniformSource(7));
const normals = (...shape: number[]): NdArray => random.normals(shape);
const uniforms = (...shape: number[]): NdArray => random.uniforms(shape, 0, 1);
const state = ndarray([4], [1, 2, 3, 4], 'u32');

interface Case {
  readonly op: Op<unknown>;
  readonly inputs: readonly NdArray[];
  readonly params: unknown;
}

const example = <P>(op: Op<P>, inputs: readonly NdArray[], params: P): Case => {
  return { op: op as Op<unknown>, inputs, params };
};

// Sizes that make several tasks, with odd ends.
const sizes = [[131, 257], [3], [8191, 5]];
const tensors = (): NdArray[] => sizes.map((shape) => normals(...shape));
const arena = (fill: (...shape: number[]) => NdArray): NdArray =>
  fill(131 * 257 + 1 + 4 + 8191 * 5 + 1);
const clip = ndarray([2], [0.5, 1]);
const weightDecay = [0.1, 0, 0.1];
const mixture = { components: 13, logitScale: 1, scale: 1 };
const shared = { components: 8, logitScale: 0.75, scale: 1.25 };
const adamw = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay };

const cases: Case[] = [
  example(gaussianMixtureOp, [normals(301, 1, 7), normals(301, 13 * 15)], mixture),
  example(gaussianMixtureOp, [normals(3, 501, 12), normals(3, 8 * 25)], shared),
  example(
    gaussianMixtureBackwardOp,
    [normals(301, 3, 7), normals(301, 13 * 15), normals(301, 3, 13)],
    mixture,
  ),
  example(
    sampleGaussianMixtureOp,
    [normals(3, 8 * 25), uniforms(3, 501), normals(3, 501, 12)],
    shared,
  ),
  example(affineFlowOp, [normals(31, 49, 15), normals(31, 49, 30)], {}),
  example(
    affineFlowBackwardOp,
    [normals(31, 49, 30), normals(31, 49, 15), normals(31, 49, 15), normals(31, 49)],
    {},
  ),
  example(
    adamwOp(3),
    [uniforms(4), clip, ...tensors(), ...tensors(), arena(normals), arena(uniforms)],
    adamw,
  ),
  example(sgdOp(3, true), [uniforms(4), clip, ...tensors(), ...tensors(), arena(normals)], {
    momentum: 0.9,
    weightDecay,
  }),
  example(emaOp(3), [...tensors(), ...tensors()], { decay: 0.99 }),
  example(globalNormOp, tensors(), {}),
  example(addAssignOp, [normals(30011), normals(30011)], undefined),
  example(assignOp, [normals(30011), normals(30011)], undefined),
  example(cacheWriteOp, [normals(31, 67, 65), normals(31, 33, 65), ndarray([1], [40], 'u32')], {}),
  example(randomUniformOp, [state], { shape: [30011], call: 5, low: 0, high: 1 }),
  example(randomNormalOp, [state], { shape: [30011], call: 5, mean: 0, std: 1 }),
  example(randomCategoricalOp, [state, normals(3001, 7)], { call: 5 }),
];

async function run(
  { op, inputs, params }: Case,
  device: CpuDevice,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const outputs = scope(() => {
    const given = inputs.map(({ data, shape, dtype }) => tensor(data, shape, dtype, device));
    const made = apply(op, given, params, device);
    return [...made, ...(op.mutates ?? []).map((i) => given[i]!)];
  });
  const arrays = await Promise.all(outputs.map((output) => output.data()));
  outputs.forEach((output) => output.dispose());
  return arrays.map(
    ({ buffer, byteOffset, byteLength }) =>
      new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
  );
}

describe('a kernel of many tasks on the CPU device', () => {
  for (const [i, current] of cases.entries()) {
    const { op, inputs, params } = current;
    it(`${op.name} (${i}): the same bits from one thread and from two, as the reference says`, async () => {
      expect(single.supports(op)).toBe(true);
      const [one, two] = [await run(current, single), await run(current, pair)];
      const expected = op.reference(inputs, params);
      expect(one).toHaveLength(expected.length);
      for (const [k, bytes] of one.entries()) {
        expect(Buffer.compare(bytes, two[k]!)).toBe(0);
        const { dtype, data } = expected[k]!;
        const values = new (dtype === 'i32' ? Int32Array : Float32Array)(bytes.buffer);
        expect(mismatch(values, data, { absolute: 1e-3, relative: 1e-4 })).toBeUndefined();
      }
    });
  }

  it('refuses a mixture that the scratch memory of a thread does not hold', () => {
    const wide = { components: 1, logitScale: 1, scale: 1 };
    const channels = 150_000;
    const run = () =>
      scope(() => {
        const z = tensor(new Float32Array(channels), [1, 1, channels], 'f32', single);
        const head = tensor(
          new Float32Array(1 + 2 * channels),
          [1, 1 + 2 * channels],
          'f32',
          single,
        );
        apply(gaussianMixtureOp, [z, head], wide);
      });
    expect(run).toThrow('a mixture of 1 components over 150000 channels needs more');
  });
});
