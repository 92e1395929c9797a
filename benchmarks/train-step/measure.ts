import { philoxUniforms } from '@farmer/tensor';
import type { Graph, WebGpuDevice } from '@farmer/tensor';
import { Farmer, fitHistogram, imageDataset, Trainer, type FarmerConfig } from 'farmer';
import type { Part } from './families.ts';

/** One training step. */
export interface Step {
  /** Milliseconds by the clock, with no timing inside. */
  readonly wall: number;
  /** Its kernels or ops, timed in a step right after it. */
  readonly parts: readonly Part[];
}

export interface Measurement {
  readonly steps: readonly Step[];
  /** Commands that a replayed step issues. */
  readonly dispatches: number;
  /** Microseconds of the main thread for each of them, at best: to encode it, and its share of the submit. */
  readonly dispatchCost: { readonly encode: number; readonly submit: number };
}

/** Times steps by the clock and by timestamps around each dispatch, in turns, so that what else runs meets both. */
export async function measureWebGpu(
  device: WebGpuDevice,
  config: FarmerConfig,
  count: number,
): Promise<Measurement> {
  const { trainer, graph } = warmTrainer(device, config);
  await device.synchronize();
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const wall = await clock(() => {
      trainer.advance();
      return device.synchronize();
    });
    const dispatches = await device.profile(() => trainer.advance());
    const parts = dispatches.map(({ kernel: { name }, nanoseconds }) => ({
      name,
      milliseconds: nanoseconds / 1e6,
    }));
    steps.push({ wall, parts });
  }
  const dispatchCost = await measureDispatch(device, graph, 3 * count);
  return { steps, dispatches: graph.commandCount, dispatchCost };
}

async function clock(body: () => unknown): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

/** A trainer on a device after two steps, and the graph that it has captured. */
function warmTrainer(
  device: WebGpuDevice,
  config: FarmerConfig,
): { trainer: Trainer; graph: Graph } {
  const dataset = noiseImages(config);
  const histogram = fitHistogram(dataset);
  const model = new Farmer(config.model, 1);
  const trainer = new Trainer(model, config.training, dataset, { histogram, seed: 1 });
  const capture = device.capture.bind(device);
  let graph: Graph | undefined;
  device.capture = (body) => {
    const captured = capture(body);
    graph = captured;
    return captured;
  };
  trainer.advance();
  trainer.advance();
  return { trainer, graph: graph! };
}

/** What a step computes does not depend on the images. */
function noiseImages({ model: { image, classes } }: FarmerConfig) {
  const { height, width, channels } = image;
  const count = 256;
  const noise = philoxUniforms(1, 0, 0, count * height * width * channels);
  return imageDataset({
    ...{ name: 'noise', height, width, channels },
    images: Uint8Array.from(noise, (u) => 256 * u),
    labels: Array.from({ length: count }, (_, i) => i % classes),
    classNames: Array.from({ length: classes }, (_, i) => `class ${i}`),
  });
}

async function measureDispatch(device: WebGpuDevice, graph: Graph, count: number) {
  const encode: number[] = [];
  const submit: number[] = [];
  for (let i = 0; i < count; i++) {
    await device.synchronize();
    const start = performance.now();
    graph.replay();
    const encoded = performance.now();
    device.flush();
    encode.push(encoded - start);
    submit.push(performance.now() - encoded);
  }
  await device.synchronize();
  const perDispatch = (times: readonly number[]) =>
    (1000 * Math.min(...times)) / graph.commandCount;
  return { encode: perDispatch(encode), submit: perDispatch(submit) };
}
