import { describe, expect, it } from 'vitest';
import { CpuDevice, setDefaultDevice, tensor } from '@farmer/tensor';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';
import { apply } from '../../packages/tensor/src/apply.ts';
import { attentionBackwardOp } from '../../packages/tensor/src/ops/attention-backward.ts';
import {
  attentionOp,
  attentionReference,
  type AttentionParams,
} from '../../packages/tensor/src/ops/attention.ts';
import type { Op } from '../../packages/tensor/src/op.ts';
import { ndarrayOf, type NdArray } from '../../packages/tensor/src/reference.ts';
import { sampleRandom } from '../../packages/tensor/src/sample.ts';
import { uniformSource } from '@farmer/tensor/conformance';

async function runOn(
  threads: number,
  op: Op<AttentionParams>,
  inputs: readonly NdArray[],
  params: AttentionParams,
): Promise<Float32Array[]> {
  const device = new CpuDevice({ threads, spawn: spawnNodeWorker });
  setDefaultDevice(device);
  try {
    const tensors = inputs.map(({ data, shape, dtype }) => tensor([...data], shape, dtype));
    const outputs = apply(op, tensors, params);
    return await Promise.all(outputs.map(async (y) => (await y.data()) as Float32Array));
  } finally {
    device.destroy();
    setDefaultDevice(undefined);
  }
}

/** Inputs of the op and of its backward, for [batch, queries, keys, width]. */
function draw([batch, queries, keys, width]: readonly number[], params: AttentionParams) {
  const random = sampleRandom(uniformSource(7));
  const inputs = [queries, keys, keys].map((rows) => random.normals([batch!, rows!, width!]));
  const saved = attentionReference(inputs, params);
  const upstream = saved.map(({ shape }) => random.normals(shape));
  return { inputs, backward: [...inputs, ...saved, ...upstream] };
}

function expectClose(actual: readonly Float32Array[], expected: readonly NdArray[]): void {
  actual.forEach((values, output) => {
    const error = values.map((x, i) => Math.abs(x - expected[output]!.data[i]!));
    const worst = error.reduce((a, b) => Math.max(a, b), 0);
    expect(worst, `output ${output}`).toBeLessThan(5e-5);
  });
}

describe('attention on the CPU device', () => {
  const shapes = [
    { name: 'many heads', shape: [8, 51, 51, 64], heads: 4 },
    { name: 'one long head, its queries split', shape: [1, 201, 203, 24], heads: 1 },
    { name: 'more keys than scratch memory holds', shape: [1, 13, 3001, 40], heads: 1 },
  ];
  for (const { name, shape, heads } of shapes) {
    for (const causal of [true, false]) {
      it(`${name}${causal ? ', causal' : ''}: the reference's values, equal bits for any threads`, async () => {
        const params = { heads, causal };
        const { inputs, backward } = draw(shape, params);
        for (const [op, operands] of [
          [attentionOp, inputs],
          [attentionBackwardOp, backward],
        ] as const) {
          const one = await runOn(1, op, operands, params);
          expect(await runOn(2, op, operands, params)).toEqual(one);
          expectClose(one, op.reference(operands, params));
        }
      });
    }
  }

  it('never looks at cached rows behind the last query', async () => {
    const params = { heads: 2, causal: true };
    const { inputs } = draw([2, 3, 40, 8], params);
    const position = ndarrayOf([1], () => 9, 'u32');
    const [q, ...cache] = inputs as [NdArray, NdArray, NdArray];
    const isWritten = (i: number): boolean => Math.floor(i / 8) % 40 < 12;
    const dirty = cache.map(({ shape, data }) =>
      ndarrayOf(shape, (i) => (isWritten(i) ? data[i]! : NaN)),
    );
    const outputs = await runOn(1, attentionOp, [q, ...dirty, position], params);
    expectClose(outputs, attentionReference([q, ...cache, position], params));
  });

  it('refuses heads without columns, whose products would sum nothing', async () => {
    const empty = ndarrayOf([1, 2, 0], () => 0);
    const run = runOn(1, attentionOp, [empty, empty, empty], { heads: 1, causal: false });
    await expect(run).rejects.toThrow('keys and width ≥ 1');
  });
});
