import { Bench } from 'tinybench';
import { scope, WebGpuDevice, type Device } from '@farmer/tensor';

export interface Timing {
  /** Milliseconds of one run, by the clock: the median and the least of the samples. */
  readonly median: number;
  readonly best: number;
  /** Median of the GPU time of one run by timestamps; absent where there are none. */
  readonly gpu?: number;
  readonly samples: number;
  /** Runs that one sample repeats, so that waiting for the device does not count. */
  readonly repeats: number;
}

const sampleMilliseconds = 20;
const mostRepeats = 200;

/**
 * Times a body that is captured once and replayed.
 * @param seconds how long to measure
 */
export async function time(device: Device, body: () => void, seconds: number): Promise<Timing> {
  const graph = device.capture(() => scope(body));
  const sample = async (repeats: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) graph.replay();
    await device.synchronize();
    return performance.now() - start;
  };
  await sample(1);
  const once = await sample(1);
  const repeats = Math.max(1, Math.min(mostRepeats, Math.round(sampleMilliseconds / once)));
  const bench = new Bench({ time: 1000 * seconds, iterations: 3, warmup: false });
  bench.add('run', async () => {
    await sample(repeats);
  });
  const [task] = await bench.run();
  if (task?.result.state !== 'completed') throw new Error(`the run ${task?.result.state}`);
  const { p50, min, samplesCount } = task.result.latency;
  const gpu = await gpuTime(device, () => graph.replay(), 3);
  graph.dispose();
  return {
    median: p50 / repeats,
    best: min / repeats,
    ...(gpu === undefined ? {} : { gpu }),
    samples: samplesCount,
    repeats,
  };
}

/** Milliseconds between the timestamps around each dispatch, added up; the median of several runs. */
async function gpuTime(device: Device, run: () => void, runs: number): Promise<number | undefined> {
  if (!(device instanceof WebGpuDevice && device.gpu.features.has('timestamp-query'))) return;
  const totals: number[] = [];
  for (let i = 0; i < runs; i++) {
    const dispatches = await device.profile(run);
    totals.push(dispatches.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0) / 1e6);
  }
  return totals.sort((a, b) => a - b)[Math.floor(runs / 2)];
}
