import { memoize } from '../../packages/tensor/src/memo.ts';
import { apply, map, scope, tensor, type Device, type Op } from '@farmer/tensor';
import { floatWord } from '../../packages/tensor/src/cpu/command-list.ts';
import { pointerOf, type CpuKernel } from '../../packages/tensor/src/cpu/kernel.ts';
import { kernel, linearGrid, type WebGpuKernel } from '../../packages/tensor/src/webgpu/kernel.ts';
import { multiplyAddLoop } from '../multiply-add-loop.ts';
import { time } from './time.ts';

/** What the device reaches at best: multiply-adds in registers, and copies, of which each byte counts twice. */
export interface Ceiling {
  readonly gflops: number;
  readonly gbps: number;
}

interface LoopParams {
  /** Sums that do not depend on each other. */
  readonly chains: number;
  readonly rounds: number;
}

const lanes = 4;
const workgroupSize = 64;

const loopKernel = memoize((chains: number) => {
  const each = (line: (c: number) => string, separator = '\n  ') =>
    Array.from({ length: chains }, (_, c) => line(c)).join(separator);
  return kernel({
    name: 'multiply-add-loop',
    bindings: { y: 'write vec4f' },
    uniforms: { rounds: 'u32', factor: 'f32' },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize}u + l;
  let x = vec4f(u.factor);
  ${each((c) => `var sum${c} = vec4f(f32(l) + ${c}.0);`)}
  for (var round = 0u; round < u.rounds; round++) {
    ${each((c) => `sum${c} = fma(sum${c}, x, x);`)}
  }
  y[i] = ${each((c) => `sum${c}`, ' + ')};
}`,
  });
});

const loopOnWebGpu: WebGpuKernel<LoopParams> = (run, { outputs: [y], params }) =>
  run.dispatch(
    loopKernel(params.chains),
    [y!],
    [params.rounds, 0.5],
    linearGrid(y!.size / lanes / workgroupSize),
  );

const loopOnCpu: CpuKernel<LoopParams> = (run, { outputs: [y], params: { chains, rounds } }) =>
  run.execute({
    key: `multiply-add-loop-${chains}`,
    build: () => multiplyAddLoop(chains),
    words: [rounds, floatWord(0.5), pointerOf(y!)],
    taskCount: y!.size / lanes,
  });

/** Multiply-adds that nothing holds up: as many vectors of 4 as the output has. */
const loopOp: Op<LoopParams & { readonly size: number }> = {
  name: 'multiply-add loop',
  infer: (_, { size }) => [{ shape: [size], dtype: 'f32' }],
  reference: () => [],
  kernels: { webgpu: loopOnWebGpu, cpu: loopOnCpu },
  sample: () => ({ inputs: [], params: { chains: 1, rounds: 1, size: 4 * workgroupSize } }),
};

/** Measures both: the best of loops with several numbers of chains, and of copies that fit in caches or do not. */
export async function measureCeiling(device: Device, seconds: number): Promise<Ceiling> {
  const size = device.kind === 'cpu' ? 64 : 4 * 16384;
  let gflops = 0;
  for (const chains of [2, 3, 6, 12]) {
    const loop = (rounds: number) => () => void apply(loopOp, [], { chains, rounds, size }, device);
    const rounds = await longEnough(device, loop);
    const { best } = await time(device, loop(rounds), seconds / 4);
    gflops = Math.max(gflops, (2 * chains * rounds * size) / best / 1e6);
  }
  let gbps = 0;
  for (const length of [1 << 18, 1 << 20, 1 << 22]) {
    const x = tensor(new Float32Array(length), [length], 'f32', device);
    const copy = (): void => void map('x', { x });
    const { best } = await time(device, copy, seconds / 4);
    gbps = Math.max(gbps, (8 * length) / best / 1e6);
    x.dispose();
  }
  return { gflops, gbps };
}

/** Rounds that take some milliseconds, whatever the device. */
async function longEnough(device: Device, loop: (rounds: number) => () => void): Promise<number> {
  for (let rounds = 16; ; rounds *= 4) {
    scope(loop(rounds));
    await device.synchronize();
    const start = performance.now();
    scope(loop(rounds));
    await device.synchronize();
    if (performance.now() - start > 4) return rounds;
  }
}
