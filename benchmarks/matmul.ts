/**
 * Matmul variants side by side: GFLOP/s of each, verified against float64 first.
 *
 *     npx tsx benchmarks/matmul.ts [adapter] [milliseconds per case]
 */
import { Bench } from 'tinybench';
import { apply1, matmul, ndarray, parse, scope, tensor, type Op } from '@farmer/tensor';
import type { WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { matmulOp, type MatmulParams } from '../packages/tensor/src/ops/matmul.ts';
import { naive } from '../packages/tensor/src/webgpu/matmul/naive.ts';
import { runMatmul } from '../packages/tensor/src/webgpu/matmul/run.ts';
import type { MatmulVariant } from '../packages/tensor/src/webgpu/matmul/source.ts';
import { subgroup } from '../packages/tensor/src/webgpu/matmul/subgroup.ts';
import { tile } from '../packages/tensor/src/webgpu/matmul/tile.ts';

interface Case {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const cases: readonly Case[] = [
  { name: 'square 256', m: 256, n: 256, k: 256 },
  { name: 'square 512', m: 512, n: 512, k: 512 },
  { name: 'rows 3200, 64 → 192', m: 3200, n: 192, k: 64 },
  { name: 'rows 1568, 192 → 768', m: 1568, n: 768, k: 192 },
  { name: 'gradient of an input', m: 1568, n: 192, k: 768, transposeB: true },
  { name: 'gradient of a weight', m: 64, n: 192, k: 3200, transposeA: true },
  { name: 'narrow, 16 → 64', m: 3200, n: 64, k: 16 },
  { name: 'one token', m: 1, n: 768, k: 192 },
];

const [adapter, time = '300'] = process.argv.slice(2);
const device = (await openDevice({ device: 'webgpu', adapter })) as WebGpuDevice;
const { subgroups } = device.capabilities;
const lanes = subgroups && subgroups.minSize === subgroups.maxSize ? subgroups.maxSize : 0;
const variants: readonly MatmulVariant[] = [
  naive,
  ...(lanes > 0 && lanes <= 16
    ? [subgroup(lanes, 4), subgroup(lanes, 8), subgroup(lanes, 16)]
    : []),
  tile,
];

const forced = (variant: MatmulVariant): Op<MatmulParams> => ({
  ...matmulOp,
  kernels: { webgpu: (run, call) => runMatmul(run, call, () => ({ variant, slices: 1 })) },
});

console.log(
  `${device.name}; GFLOP/s by the best of several runs, and as multiples of the naive variant`,
);
for (const { name, m, n, k, transposeA = false, transposeB = false } of cases) {
  const values = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
  const [x, y] = [values(m * k), values(k * n)];
  const shapes = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]] as const;
  const [a, b] = [tensor(x, shapes[0]), tensor(y, shapes[1])];
  const params = { transposeA, transposeB, epilogue: parse('acc'), names: [], numbers: {} };
  const inputs = [ndarray(shapes[0], x), ndarray(shapes[1], y)];
  const expected = matmulOp.reference(inputs, params)[0]!.data;
  const runs: [string, () => ReturnType<typeof matmul>][] = [
    ...variants.map((variant): [string, () => ReturnType<typeof matmul>] => [
      variant.name,
      () => apply1(forced(variant), [a, b], params),
    ]),
    ['selected', () => matmul(a, b, { transposeA, transposeB })],
  ];
  const bench = new Bench({ time: Number(time), warmup: false, iterations: 3 });
  const firsts: string[] = [];
  for (const [label, run] of runs) {
    const start = performance.now();
    const output = run();
    const data = await output.data();
    firsts.push((performance.now() - start).toFixed(0));
    output.dispose();
    const wrong = data.findIndex(
      (value, i) => !(Math.abs(value - expected[i]!) < 1e-5 * Math.sqrt(k) + 1e-5),
    );
    if (wrong >= 0)
      throw new Error(
        `${label}, ${name}: element ${wrong} is ${data[wrong]} instead of ${expected[wrong]}`,
      );
    bench.add(label, async () => {
      scope(() => void run());
      await device.synchronize();
    });
  }
  await bench.run();
  const rates = bench.tasks.map(({ result }) => {
    if (!('latency' in result)) throw new Error(`${name}: a run failed`);
    return (2 * m * n * k) / (result.latency.min * 1e6);
  });
  console.log(`\n${name}: [${m}, ${k}] × [${k}, ${n}]`);
  bench.tasks.forEach((task, i) => {
    const ratio = (rates[i]! / rates[0]!).toFixed(1);
    console.log(
      `  ${task.name.padEnd(28)} ${rates[i]!.toFixed(2).padStart(8)}   ${ratio} ×   first call ${firsts[i]} ms`,
    );
  });
  a.dispose();
  b.dispose();
}
device.destroy();
