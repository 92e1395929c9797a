import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { CommandList } from '../../packages/tensor/src/cpu/command-list.ts';
import { bucketSize } from '../../packages/tensor/src/free-blocks.ts';
import { LinearMemory } from '../../packages/tensor/src/cpu/memory.ts';
import {
  ThreadPool,
  type PoolOptions,
  type SpawnWorker,
} from '../../packages/tensor/src/cpu/pool.ts';
import { I32, ModuleBuilder } from '../../packages/tensor/src/cpu/wasm/index.ts';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';

const open: ThreadPool[] = [];
function openPool(options: PoolOptions = {}): ThreadPool {
  const pool = new ThreadPool({ threads: 2, spawn: spawnNodeWorker, ...options });
  open.push(pool);
  return pool;
}
afterEach(() => open.splice(0).forEach((pool) => pool.destroy()));

/** Adds task + 1 to word `task` of an array, after `rounds` idle loops. */
function countingKernel(): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel((f, args, task) => {
    const target = f.let(f.i32(args).add(task.shl(2)));
    const spin = f.let(I32.of(0));
    f.loop(0, f.let(f.i32(args, 4)), 1, (i) => f.set(spin, spin.xor(i)));
    f.store(target, f.i32(target).add(task).add(1).add(spin.and(0)));
  });
  return module;
}

/** Loads far beyond the memory's end at task 3. */
function trappingKernel(): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel((f, args, task) => {
    f.if(task.eq(3), () => f.store(args, f.i32(I32.of(-16))));
  });
  return module;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('the thread pool', () => {
  it.each([1, 2, 3])('runs every task of every command once, in order (%i threads)', (threads) => {
    const pool = openPool({ threads });
    const kernel = pool.kernel('count', countingKernel);
    const target = pool.memory.allocate(4 * 100);
    pool.words().fill(0, target / 4, target / 4 + 100);
    const taskCounts = [1, 100, 3, 17, 100];
    const commands = taskCounts.map((taskCount) => ({ kernel, words: [target, 50], taskCount }));
    using list = new CommandList(pool, commands);
    const rounds = 200;
    for (let i = 0; i < rounds; i++) list.run();
    const expected = Array.from({ length: 100 }, (_, i) => {
      return rounds * (i + 1) * taskCounts.filter((count) => count > i).length;
    });
    expect([...pool.words().slice(target / 4, target / 4 + 100)]).toEqual(expected);
  });

  it('knows kernels made and memory grown after the workers started', async () => {
    const pool = openPool();
    await pause(200);
    for (let round = 0; round < 20; round++) {
      const kernel = pool.kernel(`count ${round}`, countingKernel);
      const target = pool.memory.allocate(3_000_000 + 4 * round);
      pool.words().fill(0, target / 4, target / 4 + 64);
      pool.run([{ kernel, words: [target, 2000], taskCount: 64 }]);
      const got = [...pool.words().slice(target / 4, target / 4 + 64)];
      expect(got).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    }
  });

  it.each([1, 2])(
    'names the kernel when a task traps, and goes on (%i threads)',
    async (threads) => {
      const pool = openPool({ threads });
      await pause(200);
      const trap = pool.kernel('trap', trappingKernel);
      const count = pool.kernel('count', countingKernel);
      const target = pool.memory.allocate(64);
      const good = { kernel: count, words: [target, 10], taskCount: 8 };
      for (let i = 0; i < 20; i++) {
        const bad = { kernel: trap, words: [0], taskCount: 8 };
        expect(() => pool.run([good, bad, good])).toThrow(
          /kernel "trap" \(command 1\) failed.*memory/,
        );
        pool.run([good, good]);
      }
    },
  );

  /** A worker that dies at its first task. */
  const spawnMortal: SpawnWorker = (source, data, onDeath) => {
    const deadly = 'WebAssembly.Instance = class { exports = { kernel: () => process.exit(3) } };';
    return spawnNodeWorker(deadly + source, data, onDeath);
  };

  it('reports a worker that died within a task, instead of waiting for ever', async () => {
    const pool = openPool({ spawn: spawnMortal, stallMilliseconds: 400 });
    const kernel = pool.kernel('count', countingKernel);
    const target = pool.memory.allocate(4 * 1000);
    await pause(300);
    const began = performance.now();
    const run = () => pool.run([{ kernel, words: [target, 1_000_000], taskCount: 1000 }]);
    expect(run).toThrow('made no progress for 400 ms');
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(run).toThrow('made no progress');
  });

  it('reports a worker that died while idle at the next run', async () => {
    let kill = (): void => undefined;
    const spawn: SpawnWorker = (_, data, onDeath) => {
      const handle = spawnNodeWorker('const start = () => process.exit(7);', data, onDeath);
      kill = () => handle.terminate();
      return handle;
    };
    const pool = openPool({ spawn });
    const kernel = pool.kernel('count', countingKernel);
    await pause(500);
    const target = pool.memory.allocate(64);
    expect(() => pool.run([{ kernel, words: [target, 1], taskCount: 2 }])).toThrow(
      'a worker thread died (exit code 7)',
    );
    kill();
  });

  it('lets the process end by itself, and takes no processor time when idle', () => {
    const program = `
      import { ThreadPool } from './packages/tensor/src/cpu/pool.ts';
      import { spawnNodeWorker } from './packages/tensor/node/workers.ts';
      new ThreadPool({ threads: 2, spawn: spawnNodeWorker });
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { user, system } = process.cpuUsage(before);
      console.log(JSON.stringify({ microseconds: user + system }));`;
    const flags = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout, status, stderr } = spawnSync(process.execPath, flags, {
      timeout: 20_000,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    const { microseconds } = JSON.parse(stdout) as { microseconds: number };
    expect(microseconds).toBeLessThan(150_000);
  });
});

describe('linear memory', () => {
  it('rounds sizes up by at most an eighth, to multiples of 256', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (bytes) => {
        const size = bucketSize(bytes);
        expect(size % 256).toBe(0);
        expect(size).toBeGreaterThanOrEqual(bytes);
        expect(size).toBeLessThanOrEqual(Math.max(bytes * 1.126, bytes + 256));
        expect(bucketSize(size)).toBe(size);
      }),
    );
  });

  it('never hands out overlapping blocks, and counts what is live', () => {
    const request = fc.oneof(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 300_000 }),
    );
    const trims = fc.boolean();
    const step = fc.record({ bytes: request, releaseAt: fc.option(fc.nat(20)), trims });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new LinearMemory({ shared: false, reserved: 1000 });
        const live: { pointer: number; bytes: number }[] = [];
        for (const { bytes, releaseAt, trims } of steps) {
          if (trims) memory.trim();
          const pointer = memory.allocate(bytes);
          expect(pointer % 256).toBe(0);
          expect(pointer).toBeGreaterThanOrEqual(1000);
          expect(pointer + bytes + 256).toBeLessThanOrEqual(memory.memory.buffer.byteLength);
          for (const other of live) {
            const apart =
              pointer >= other.pointer + other.bytes || pointer + bytes <= other.pointer;
            expect(apart).toBe(true);
          }
          live.push({ pointer, bytes });
          if (releaseAt !== null && releaseAt < live.length) {
            memory.release(live.splice(releaseAt, 1)[0]!.pointer);
          }
        }
        const report = memory.report();
        expect(report.liveBlocks).toBe(live.length);
        expect(report.live).toBe(live.reduce((sum, { bytes }) => sum + bucketSize(bytes), 0));
        expect(report.peak).toBeGreaterThanOrEqual(report.live + report.pooled);
      }),
    );
  });

  it('reuses freed blocks: a steady state needs no more memory', () => {
    const memory = new LinearMemory({ shared: false });
    const round = (): void => {
      const pointers = [100, 5000, 70_000, 5000].map((bytes) => memory.allocate(bytes));
      pointers.forEach((pointer) => memory.release(pointer));
    };
    round();
    const { peak, pooled } = memory.report();
    for (let i = 0; i < 100; i++) round();
    expect(memory.report()).toMatchObject({ live: 0, pooled, peak, liveBlocks: 0, byTag: {} });
  });

  it('makes room for larger blocks of free ones when it is trimmed, and moves none in use', () => {
    const memory = new LinearMemory({ shared: false });
    const sizes = [500_000, 600_000, 700_000, 800_000, 900_000];
    const blocks = sizes.map((bytes) => memory.allocate(bytes));
    const end = memory.memory.buffer.byteLength;
    const [first, second, third, fourth, last] = blocks as [number, number, number, number, number];
    // The last of them to come joins the room on both of its sides.
    for (const pointer of [second, fourth, third]) memory.release(pointer);
    const { live } = memory.report();
    memory.trim();
    expect(memory.report()).toMatchObject({ live, pooled: 0, liveBlocks: 2 });
    const large = memory.allocate(2_000_000);
    expect(large).toBe(second);
    expect(large + memory.sizeOf(large)).toBeLessThanOrEqual(last);
    expect(memory.memory.buffer.byteLength).toBe(end);
    // The rest of the room is too small for this one.
    expect(memory.allocate(500_000)).toBeGreaterThan(last);
    for (const pointer of [first, last]) memory.release(pointer);
  });

  it('refuses to release twice, and says so when memory is exhausted', () => {
    const memory = new LinearMemory({ shared: false });
    const pointer = memory.allocate(10);
    memory.release(pointer);
    expect(() => memory.release(pointer)).toThrow('released twice');
    expect(() => memory.allocate(5 * 2 ** 30)).toThrow('cannot allocate 5368709120 bytes');
  });
});
