/** Runs in a page: attention on one thread and on the page's own options, left for the test as `answer`. */
import {
  attention,
  browserPoolOptions,
  CpuDevice,
  setDefaultDevice,
  tensor,
  ThreadPool,
} from '@farmer/tensor';
import { words } from '../../../packages/tensor/src/cpu/participant.ts';

const shape = [8, 33, 24];
const wave = (frequency: number) =>
  tensor(
    Array.from({ length: 8 * 33 * 24 }, (_, i) => Math.sin(i * frequency)),
    shape,
  );

async function attend(device: CpuDevice): Promise<number[]> {
  setDefaultDevice(device);
  const y = attention(wave(1.1), wave(2.3), wave(0.7), { heads: 3, causal: true });
  const values = [...(await y.data())];
  device.destroy();
  return values;
}

/** Whether the pool's workers came up: each sleeps on its word until there is work. */
async function startsWorkers(): Promise<boolean> {
  const pool = new ThreadPool(browserPoolOptions());
  for (let i = 0; i < 100 && pool.words()[words.idle] !== pool.threads - 1; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const started = pool.words()[words.idle] === pool.threads - 1;
  pool.destroy();
  return started;
}

async function report() {
  const { threads } = browserPoolOptions();
  const one = await attend(new CpuDevice());
  const all = await attend(new CpuDevice(browserPoolOptions()));
  const isEqual = one.length > 0 && one.every((x, i) => x === all[i]);
  return { threads, isEqual, sample: one.slice(0, 4), startsWorkers: await startsWorkers() };
}

const answer = await report().catch((error: unknown) => ({ error: String(error) }));
Object.assign(globalThis, { answer });
