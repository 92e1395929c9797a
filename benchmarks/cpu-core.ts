/**
 * The CPU device's core, without tensors: matmul in GFLOP/s, pointwise kernels in GB/s, and the cost of a command.
 *
 *     npx tsx benchmarks/cpu-core.ts [threads …]      (default: 1 and 2)
 */
import { Bench } from 'tinybench';
import { loopNest } from '../packages/tensor/src/broadcast.ts';
import { CommandList, floatWord } from '../packages/tensor/src/cpu/command-list.ts';
import type { KernelPlan } from '../packages/tensor/src/cpu/kernel.ts';
import { planMatmul } from '../packages/tensor/src/cpu/matmul/plan.ts';
import { planPointwise } from '../packages/tensor/src/cpu/pointwise/plan.ts';
import { ThreadPool } from '../packages/tensor/src/cpu/pool.ts';
import { hasRelaxedMadd, ModuleBuilder } from '../packages/tensor/src/cpu/wasm/index.ts';
import { parse } from '../packages/tensor/src/expression/parse.ts';
import { multiplyAddLoop } from './multiply-add-loop.ts';
import { enableRelaxedSimd, spawnNodeWorker } from '../packages/tensor/node/workers.ts';

interface Case {
  readonly name: string;
  readonly plans: readonly KernelPlan[];
  /** The amount of work of one run, in units of 10⁹, and what it counts. */
  readonly amount: number;
  readonly unit: 'GFLOP/s' | 'GB/s' | 'M commands/s';
}

/** m, n, k and whether each operand is transposed: squares, then the model's layers and their gradients. */
const matmulShapes = [
  [256, 256, 256, ''],
  [512, 512, 512, ''],
  [1024, 1024, 1024, ''],
  [3200, 192, 192, ''],
  [3200, 768, 192, ''],
  [3200, 192, 768, 'tB'],
  [192, 768, 3200, 'tA'],
  [1600, 1000, 192, ''],
  [49, 49, 16, 'tB'],
  [1, 768, 192, ''],
  [6, 192, 768, 'tB'],
] as const;

function matmulCase(pool: ThreadPool, [m, n, k, transposed]: (typeof matmulShapes)[number]): Case {
  const [transposeA, transposeB] = [transposed === 'tA', transposed === 'tB'];
  const [a, b, c] = [m * k, k * n, m * n].map((size) => noise(pool, size)) as [
    number,
    number,
    number,
  ];
  const plan = planMatmul({
    m,
    n,
    k,
    transposeA,
    transposeB,
    a: { pointer: a, rowStride: transposeA ? m : k },
    b: { pointer: b, rowStride: transposeB ? k : n },
    c: { pointer: c, rowStride: n },
  });
  const name = `matmul ${m}×${n}×${k} ${transposed}`;
  return { name, plans: [plan], amount: (2 * m * n * k) / 1e9, unit: 'GFLOP/s' };
}

function pointwiseCase(pool: ThreadPool, name: string, formula: string, size: number): Case {
  const plan = planPointwise({
    expressions: [parse(formula)],
    nest: loopNest([size], [[size]]),
    inputs: [{ name: 'x', dtype: 'f32', pointer: noise(pool, size) }],
    outputs: [{ dtype: 'f32', pointer: pool.memory.allocate(4 * size) }],
    numbers: {},
    compute: 'f32',
  });
  return { name: `${name} of ${size}`, plans: [plan], amount: (8 * size) / 1e9, unit: 'GB/s' };
}

/** A list of a thousand commands that do nothing. */
function overheadCase(pool: ThreadPool, taskCount: number): Case {
  const build = (): ModuleBuilder => {
    const module = new ModuleBuilder();
    module.kernel((f, args, task) => f.store(args, task));
    return module;
  };
  const plans = Array.from({ length: 1000 }, () => ({
    key: 'empty',
    build,
    words: [0],
    taskCount,
  }));
  pool.kernel('empty', build);
  return { name: `empty command, ${taskCount} tasks`, plans, amount: 1e-3, unit: 'M commands/s' };
}

function ceilingCase(pool: ThreadPool): Case {
  const [chains, rounds, taskCount] = [12, 100_000, 8];
  const words = [rounds, floatWord(0.5), pool.memory.allocate(16 * taskCount)];
  const build = () => multiplyAddLoop(chains);
  const plans = [{ key: 'ceiling', build, words, taskCount }];
  const amount = (8 * chains * rounds * taskCount) / 1e9;
  return { name: 'multiply-add in registers', plans, amount, unit: 'GFLOP/s' };
}

/** A block of `size` floats in [-2, 2). */
function noise(pool: ThreadPool, size: number): number {
  const pointer = pool.memory.allocate(4 * size);
  const view = new Float32Array(pool.memory.memory.buffer, pointer, size);
  for (let i = 0; i < size; i++) view[i] = Math.random() * 4 - 2;
  return pointer;
}

async function measure(threads: number): Promise<void> {
  const pool = new ThreadPool({ threads, spawn: spawnNodeWorker });
  const cases = [
    ceilingCase(pool),
    ...matmulShapes.map((shape) => matmulCase(pool, shape)),
    pointwiseCase(pool, 'copy', 'x', 1 << 20),
    pointwiseCase(pool, 'exp', 'exp(x)', 1 << 20),
    pointwiseCase(pool, 'tanh', 'tanh(x)', 1 << 20),
    pointwiseCase(pool, 'gelu', 'gelu(x)', 1 << 20),
    pointwiseCase(pool, 'copy', 'x', 1 << 24),
    overheadCase(pool, 1),
    overheadCase(pool, 8),
  ];
  const bench = new Bench({ time: 200, warmupTime: 100 });
  for (const { name, plans } of cases) {
    const list = new CommandList(
      pool,
      plans.map(({ key, build, words, taskCount }) => {
        return { kernel: pool.kernel(key, build), words, taskCount };
      }),
    );
    bench.add(name, () => list.run());
  }
  await bench.run();
  console.log(`\n${threads} threads`);
  bench.tasks.forEach((task, i) => {
    const { amount, unit } = cases[i]!;
    const { result } = task;
    if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`);
    const { min, p50 } = result.latency;
    const rate = (milliseconds: number): string => ((1000 * amount) / milliseconds).toFixed(1);
    console.log(`${task.name.padEnd(30)} ${rate(p50).padStart(8)} ${unit}, best ${rate(min)}`);
  });
  pool.destroy();
}

enableRelaxedSimd();
console.log(`fused multiply-add: ${hasRelaxedMadd() ? 'yes' : 'no'}`);
const threadCounts = process.argv.slice(2).map(Number);
for (const threads of threadCounts.length > 0 ? threadCounts : [1, 2]) await measure(threads);
