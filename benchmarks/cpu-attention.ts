/**
 * Attention and its gradients on the CPU device, a layer at a time: the median of repeated captured runs.
 *
 *     npx tsx benchmarks/cpu-attention.ts [threads …]      (default: 1 and 2)
 */
import { CpuDevice, scope, setDefaultDevice, tensor, type Tensor } from '@farmer/tensor';
import { enableRelaxedSimd, spawnNodeWorker } from '../packages/tensor/node/workers.ts';
import { apply } from '../packages/tensor/src/apply.ts';
import { attentionBackward } from '../packages/tensor/src/ops/attention-backward.ts';
import { attentionOp } from '../packages/tensor/src/ops/attention.ts';

interface Case {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly heads: number;
}

const cases: readonly Case[] = [
  { batch: 32, queries: 51, keys: 51, width: 64, heads: 4 },
  { batch: 32, queries: 49, keys: 49, width: 48, heads: 3 },
  { batch: 4, queries: 256, keys: 256, width: 256, heads: 4 },
  { batch: 1, queries: 256, keys: 256, width: 64, heads: 1 },
  { batch: 32, queries: 1, keys: 51, width: 64, heads: 4 },
];

const noise = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Array.from({ length: size }, () => Math.random() - 0.5),
    shape,
  );
};

/** The median time of a replay, in milliseconds. */
function median(device: CpuDevice, body: () => void): number {
  const graph = device.capture(() => scope(body));
  for (let i = 0; i < 30; i++) graph.replay();
  const times = Array.from({ length: 100 }, () => {
    const start = performance.now();
    graph.replay();
    return performance.now() - start;
  });
  graph.dispose();
  return times.sort((a, b) => a - b)[50]!;
}

function report(device: CpuDevice, { batch, queries, keys, width, heads }: Case): void {
  const params = { heads, causal: true };
  const position = tensor([keys - queries], [1], 'u32');
  const q = noise(batch, queries, width);
  const [k, v] = [noise(batch, keys, width), noise(batch, keys, width)];
  const [dOutput, dLogSums] = [noise(batch, queries, width), noise(batch, heads, queries)];
  const inputs = [q, k, v, position];
  const [output, logSums] = apply(attentionOp, inputs, params) as [Tensor, Tensor];
  const forward = median(device, () => apply(attentionOp, inputs, params));
  const operands = { q, k, v, position };
  const backward = median(device, () =>
    attentionBackward(operands, { output, logSums }, { dOutput, dLogSums }, params),
  );
  const name = `B ${batch}, T ${queries} of ${keys}, W ${width}, ${heads} heads`;
  console.log(`${name.padEnd(36)} ${forward.toFixed(3)} ms + ${backward.toFixed(3)} ms`);
}

enableRelaxedSimd();
const chosen = process.argv.slice(2).map(Number);
for (const threads of chosen.length > 0 ? chosen : [1, 2]) {
  const device = new CpuDevice({ threads, spawn: spawnNodeWorker });
  setDefaultDevice(device);
  console.log(device.name);
  for (const one of cases) report(device, one);
  device.destroy();
}
