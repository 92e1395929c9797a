/**
 * The teacher's cached sequential inverse against the student's single pass a block, and sampling as a whole with
 * each, at 256 tokens (table 5 of the paper: 22 times on the reverse, 4 times overall). Both run in the same process on
 * the same device; the student's output is checked for shape and finiteness, not for quality, which weights decide.
 *
 *     npx tsx benchmarks/reverse.ts [cpu | adapter] [preset] [runs] [batch …]
 */
import { Bench } from 'tinybench';
import { RandomStream, scope, tensor, type Device, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { Farmer, dimensions, preset, sampleImages, sampleLatents, StudentFlow } from 'farmer';
import { randomizeParameters } from '../test/support/farmer.ts';

const [choice = 'cpu', name = 'base', runs = '5', ...batches] = process.argv.slice(2);
const device = await openDevice(choice === 'cpu' ? { device: 'cpu' } : { adapter: choice });

// 64 × 64 pixels in patches of 4: 256 tokens, as a 256 × 256 image in patches of 16 has.
const { model: small } = preset(name);
const config = { ...small, image: { height: 64, width: 64, channels: 1 as const }, patch: 4 };
const { tokens, channels } = dimensions(config);
const model = new Farmer(config, 1);
randomizeParameters(model, 2, 0.02);
const student = new StudentFlow(model.flow, config);
const { blocks, layers, width } = config.flow;
console.log(`${device.name}; ${tokens} tokens of ${channels} channels`);
console.log(
  `flow: ${blocks} blocks of ${layers} layers, width ${width}; AR: ${config.ar.layers} layers, width ${config.ar.width}`,
);

for (const batch of batches.length > 0 ? batches.map(Number) : [1, 8]) await compare(batch);
device.destroy();

async function compare(batch: number): Promise<void> {
  const random = new RandomStream(3);
  const labels = tensor(new Int32Array(batch), [batch], 'i32');
  const z = random.normal([batch, tokens, channels]);
  const cases: Record<string, () => Tensor> = {
    'reverse, teacher': () => model.flow.inverse(z),
    'reverse, student': () => student.inverse(z),
    'AR model alone': () => scope(() => model.join(sampleLatents(model, labels, random))),
    'sampling, teacher': () => sampleImages(model, labels, random),
    'sampling, student': () => sampleImages(model, labels, random, {}, student),
  };
  const seconds = await medians(device, cases);
  console.log(`\n${batch} ${batch === 1 ? 'image' : 'images'} at once, median of ${runs}:`);
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
  const bench = new Bench({ time: 0, iterations: Number(runs), warmup: false });
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
