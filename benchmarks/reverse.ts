/**
 * The teacher's cached sequential inverse against the student's single pass a block, and sampling as a whole with
 * each, at 256 tokens (table 5 of the paper: 22 times on the reverse, 4 times overall). Both run in the same process on
 * the same device; the student's output is checked for shape and finiteness, not for quality, which weights decide.
 *
 *     npx tsx benchmarks/reverse.ts --adapter lavapipe --preset base
 *
 * The depths of the paper's 1.1B model, where the flow has nine of ten layers:
 *
 *     npx tsx benchmarks/reverse.ts --adapter lavapipe --set model.flow.blocks=28 \
 *         --set model.ar.layers=12 --set model.ar.width=128 --set model.ar.heads=4
 */
import { program } from 'commander';
import { Bench } from 'tinybench';
import { RandomStream, scope, type Device, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import {
  Farmer,
  dimensions,
  parseConfig,
  preset,
  sampleImages,
  sampleLatents,
  StudentFlow,
} from 'farmer';
import { applyOverrides } from '../packages/farmer/cli/config-overrides.ts';
import { exitAfterFlush } from '../packages/farmer/cli/exit.ts';
import { collect, wholeNumber } from '../packages/farmer/cli/options.ts';
import { randomizeParameters } from '../test/support/farmer.ts';

const options = program
  .name('reverse')
  .description("Time a flow's exact inverse against a student's, at 256 tokens.")
  .option('--preset <name>', 'configuration; its images become 64 × 64 in patches of 4', 'base')
  .option('--set <key=value>', 'change one part of it (repeatable)', collect, [])
  .option('--adapter <choice>', 'WebGPU adapter (default: the CPU device)')
  .option('--batch <n>', 'images at once', wholeNumber(1), 1)
  .option('--runs <n>', 'timed runs of each case', wholeNumber(1), 3)
  .parse()
  .opts<{ preset: string; set: string[]; adapter?: string; batch: number; runs: number }>();

const { adapter } = options;
const device = await openDevice(adapter === undefined ? { device: 'cpu' } : { adapter });

const { model: chosen } = parseConfig(applyOverrides(preset(options.preset), options.set), '--set');
// 64 × 64 pixels in patches of 4: 256 tokens, as a 256 × 256 image in patches of 16 has.
const image = { ...chosen.image, height: 64, width: 64 };
const config = { ...chosen, image, patch: 4 };
const { tokens, channels } = dimensions(config);
const model = new Farmer(config, 1);
randomizeParameters(model, 2, 0.02);
const student = new StudentFlow(model.flow, config);
const { blocks, layers, width } = config.flow;
console.log(`${device.name}; ${tokens} tokens of ${channels} channels`);
console.log(
  `flow: ${blocks} blocks of ${layers} layers, width ${width}; AR: ${config.ar.layers} layers, width ${config.ar.width}`,
);

await compare(options.batch);
device.destroy();
exitAfterFlush();

async function compare(batch: number): Promise<void> {
  const random = new RandomStream(3);
  const labels = model.labels(new Int32Array(batch));
  const z = random.normal([batch, tokens, channels]);
  const cases: Record<string, () => Tensor> = {
    'reverse, teacher': () => model.flow.inverse(z),
    'reverse, student': () => student.inverse(z),
    'AR model alone': () => scope(() => model.join(sampleLatents(model, labels, random))),
    'sampling, teacher': () => sampleImages(model, labels, random),
    'sampling, student': () => sampleImages(model, labels, random, { flow: student }),
  };
  const seconds = await medians(device, cases);
  console.log(`\n${batch} ${batch === 1 ? 'image' : 'images'} at once, median of ${options.runs}:`);
  for (const [label, value] of Object.entries(seconds)) {
    console.log(
      `  ${label.padEnd(20)} ${((1000 * value) / batch).toFixed(2).padStart(10)} ms an image`,
    );
  }
  const ratio = (part: string) =>
    (seconds[`${part}, teacher`]! / seconds[`${part}, student`]!).toFixed(1);
  console.log(
    `  the student is ${ratio('reverse')} × as fast on the reverse, ${ratio('sampling')} × overall`,
  );
  for (const owner of [random, labels, z]) owner.dispose();
}

/** Seconds of each case, after a first run that checks its values. */
async function medians(
  device: Device,
  cases: Record<string, () => Tensor>,
): Promise<Record<string, number>> {
  const bench = new Bench({ time: 0, iterations: options.runs, warmup: false });
  for (const [label, run] of Object.entries(cases)) {
    const first = run();
    const bad = (await first.data()).findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new Error(`${label}: value ${bad} is not finite`);
    first.dispose();
    bench.add(label, async () => {
      run().dispose();
      await device.synchronize();
    });
  }
  await bench.run();
  return Object.fromEntries(
    bench.tasks.map(({ name: label, result }) => {
      if (!('latency' in result)) throw new Error(`${label}: a run failed`);
      return [label, result.latency.p50 / 1000];
    }),
  );
}
