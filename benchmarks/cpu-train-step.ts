/**
 * A training step on the CPU device: its time as a captured step, then the share of each op and
 * its shapes, run one by one. Training data is noise. Processor time of all threads,
 * which other programs disturb less than the clock; more than one thread wait for each other in it.
 *
 *     npx tsx benchmarks/cpu-train-step.ts [preset] [threads] [steps] [batch]     (default: small 1 10)
 */
import { CpuDevice, setDefaultDevice, type Graph, type Op, type Tensor } from '@farmer/tensor';
import { Farmer, fitHistogram, imageDataset, preset, Trainer, trainingCost } from 'farmer';
import { enableRelaxedSimd, spawnNodeWorker } from '../packages/tensor/node/workers.ts';
import type { MapParams } from '../packages/tensor/src/ops/map.ts';

const [name = 'small', threads = '1', stepCount = '10', batch] = process.argv.slice(2);
const steps = Number(stepCount);

/** Milliseconds of processor time so far. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds of a step. */
interface StepTime {
  readonly clock: number;
  readonly processor: number;
}

interface Share {
  milliseconds: number;
  calls: number;
}

/** Runs each op at once and adds up its time, by op and by call; captures nothing. */
class TimingDevice extends CpuDevice {
  readonly byOp = new Map<string, Share>();
  readonly byCall = new Map<string, Share>();
  isTiming = false;

  override run<P>(
    op: Op<P>,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    params: P,
  ): void {
    const start = processorTime();
    super.run(op, inputs, outputs, params);
    this.flush();
    if (!this.isTiming) return;
    const elapsed = processorTime() - start;
    add(this.byOp, op.name, elapsed);
    add(this.byCall, describe(op, inputs, outputs, params), elapsed);
  }

  override capture(body: () => void): Graph {
    body();
    return { commandCount: 0, replay: body, dispose: () => undefined };
  }
}

function add(shares: Map<string, Share>, key: string, milliseconds: number): void {
  const share = shares.get(key) ?? { milliseconds: 0, calls: 0 };
  shares.set(key, {
    milliseconds: share.milliseconds + milliseconds,
    calls: share.calls + 1,
  });
}

/** The op, its shapes, and what tells kernels of one op apart. */
function describe<P>(
  op: Op<P>,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  params: P,
): string {
  const shapes = (tensors: readonly Tensor[]) =>
    tensors.map(({ shape }) => `[${shape.join(',')}]`).join(' ');
  const { transposeA, transposeB } = (params ?? {}) as {
    transposeA?: boolean;
    transposeB?: boolean;
  };
  const marks = `${transposeA ? 'ᵀA' : ''}${transposeB ? 'ᵀB' : ''}`;
  const formula = op.name === 'map' ? ` ${formulaOf(params as MapParams)}` : '';
  return `${op.name}${marks} ${shapes(inputs)} → ${shapes(outputs)}${formula}`;
}

/** The functions of a pointwise formula, enough to recognise it. */
const formulaOf = ({ expressions }: MapParams): string =>
  [...JSON.stringify(expressions).matchAll(/"fn":"(\w+)"/g)].map((match) => match[1]).join(' ');

function report(title: string, shares: ReadonlyMap<string, Share>, rows: number): void {
  const total = [...shares.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  console.log(`\n${title}: ms a step, share, calls a step`);
  const sorted = [...shares].sort(([, a], [, b]) => b.milliseconds - a.milliseconds);
  for (const [key, { milliseconds, calls }] of sorted.slice(0, rows)) {
    const time = (milliseconds / steps).toFixed(2).padStart(8);
    const share = ((100 * milliseconds) / total).toFixed(1).padStart(5);
    console.log(`${time} ${share} % ${String(calls / steps).padStart(4)}  ${key.slice(0, 150)}`);
  }
}

/** Times `steps` steps of a fresh trainer, after two that build kernels. */
async function timeSteps(device: CpuDevice, beforeTiming: () => void): Promise<StepTime[]> {
  setDefaultDevice(device);
  const model = new Farmer(config.model, 1);
  const trainer = new Trainer(model, config.training, dataset, { histogram, seed: 1 });
  for (let i = 0; i < 2; i++) trainer.advance();
  beforeTiming();
  const times: StepTime[] = [];
  for (let i = 0; i < steps; i++) {
    const start = [performance.now(), processorTime()] as const;
    trainer.advance();
    times.push({ clock: performance.now() - start[0], processor: processorTime() - start[1] });
  }
  await trainer.readMetrics();
  trainer.dispose();
  device.destroy();
  return times;
}

const whole = preset(name);
const config = {
  ...whole,
  training: { ...whole.training, batch: Number(batch ?? whole.training.batch) },
};
const { height, width, channels } = config.model.image;
const count = config.training.batch;
const dataset = imageDataset({
  name: 'noise',
  ...{ count, height, width, channels },
  images: Uint8Array.from(
    { length: count * height * width * channels },
    (_, i) => (i * 7919) & 255,
  ),
  labels: new Uint8Array(count),
  classNames: Array.from({ length: config.model.classes }, (_, i) => `${i}`),
});
const histogram = fitHistogram(dataset);
enableRelaxedSimd();
const pool = { threads: Number(threads), spawn: spawnNodeWorker };

const captured = new CpuDevice(pool);
console.log(`${name}, batch ${count}, ${captured.name}`);
const { flops } = trainingCost(config, count);
const times = await timeSteps(captured, () => undefined);
const median = (of: keyof StepTime): string => {
  const sorted = times.map((time) => time[of]).sort((a, b) => a - b);
  return [sorted[steps >> 1]!, sorted[0]!]
    .map((ms) => `${ms.toFixed(1)} ms, ${(flops / 1e6 / ms).toFixed(1)} GFLOP/s`)
    .join('; best ');
};
console.log(`captured step: ${median('clock')}`);
console.log(`processor time: ${median('processor')}`);

const timing = new TimingDevice(pool);
await timeSteps(timing, () => (timing.isTiming = true));
report('by op', timing.byOp, 40);
report('by call', timing.byCall, 40);
