import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  apply,
  CpuDevice,
  map,
  matmul,
  scope,
  setDefaultDevice,
  sum,
  tensor,
  type Op,
  type Tensor,
} from '@farmer/tensor';
import { addAssign } from '../../packages/tensor/src/ops/add-assign.ts';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';

let device: CpuDevice;
beforeEach(() => {
  device = new CpuDevice({ threads: 2, spawn: spawnNodeWorker });
  setDefaultDevice(device);
});
afterEach(() => {
  device.destroy();
  setDefaultDevice(undefined);
});

const values = async (x: Tensor): Promise<number[]> => [...(await x.data())];

describe('the CPU device', () => {
  it('keeps the order of commands when freed memory is reused at once', async () => {
    const x = tensor([1, 2, 3, 4], [4]);
    // Each result's block goes to the next step's result while commands are pending.
    const result = scope(() => {
      let y = map('x', { x });
      for (let i = 0; i < 500; i++) {
        const next = map('y + x', { y, x });
        y.dispose();
        y = next;
      }
      return y;
    });
    expect(await values(result)).toEqual([501, 1002, 1503, 2004]);
  });

  it('does not overwrite what pending commands read when a kernel or a write is new', async () => {
    const x = tensor([1, 2, 3, 4], [4]);
    const kept: Tensor[] = [];
    for (let i = 0; i < 40; i++) {
      const fresh = tensor([i, i, i, i], [4]);
      kept.push(map(`x * y + ${i}`, { x, y: fresh }));
      fresh.dispose();
    }
    for (const [i, y] of kept.entries()) {
      expect(await values(y)).toEqual([1, 2, 3, 4].map((v) => v * i + i));
    }
  });

  it('replays a recorded step with new inputs, ops by reference included', async () => {
    const x = tensor([1, 2, 3, 4], [2, 2]);
    const total = tensor([0], []);
    const graph = device.capture(() =>
      scope(() => {
        const y = map('exp(x) - x', { x: matmul(x, x) });
        addAssign(total, sum(y));
      }),
    );
    expect(graph.commandCount).toBeGreaterThanOrEqual(4);
    const product = ([a, b, c, d]: number[]): number[] => {
      return [a! * a! + b! * c!, a! * b! + b! * d!, c! * a! + d! * c!, c! * b! + d! * d!];
    };
    const inputs = [
      [1, 2, 3, 4],
      [0.5, 1, -1, 2],
      [0, 1, 1, 0],
    ];
    let expected = 0;
    for (const [i, input] of inputs.entries()) {
      if (i > 0) {
        x.write(input);
        // Other work in between must not touch the recording's memory.
        map('x * 7', { x }).dispose();
        graph.replay();
      }
      expected += product(input).reduce((s, v) => s + Math.exp(v) - v, 0);
      const got = await total.item();
      expect(Math.abs(got / expected - 1)).toBeLessThan(1e-5);
    }
    graph.dispose();
    expect(() => device.capture(() => x.write([1, 1, 1, 1]))).toThrow('capture: the body writes');
  });

  it('holds its memory in a steady state, and frees a recording', () => {
    const x = tensor(new Float32Array(1000), [10, 100]);
    const step = (): void => scope(() => void sum(map('exp(x) + 1', { x })));
    step();
    const before = device.memory();
    for (let i = 0; i < 50; i++) step();
    expect(device.memory()).toEqual(before);
    const graph = device.capture(step);
    expect(device.memory().live).toBeGreaterThan(before.live);
    graph.dispose();
    expect(device.memory().live).toBe(before.live);
  });

  it('frees what a step that throws has taken', () => {
    const x = tensor([1, 2, 3, 4], [4]);
    map('x + 1', { x }).dispose();
    device.flush();
    const before = device.memory().live;
    const step = (): void =>
      scope(() => {
        map('x + 1', { x });
        throw new Error('within the step');
      });
    for (const run of [step, () => device.capture(step)]) {
      expect(run).toThrow('within the step');
      device.flush();
      expect(device.memory().live).toBe(before);
    }
    // Too large for the memory once its op has taken temporaries.
    const op: Op<unknown> = {
      name: 'greedy',
      infer: () => [],
      reference: () => [],
      mutates: [0],
      kernels: { cpu: (run) => [2 ** 20, 2 ** 33].forEach((bytes) => run.temporary(bytes)) },
      sample: () => ({ inputs: [], params: {} }),
    };
    expect(() => apply(op, [x], {})).toThrow('cannot allocate');
    expect(device.memory().live).toBe(before);
  });

  it('gives the same bits on one thread and on two', async () => {
    const single = new CpuDevice();
    const data = Float32Array.from({ length: 700 * 300 }, (_, i) => Math.sin(i));
    const run = async (on: CpuDevice): Promise<number[]> => {
      const x = tensor(data, [700, 300], 'f32', on);
      const y = matmul(x, x, { transposeA: true, epilogue: 'gelu(acc)' });
      return [...(await sum(y, { axes: [0] }).data()), await sum(y).item()];
    };
    expect(await run(device)).toEqual(await run(single));
  });
});
