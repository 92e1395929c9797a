import { expect, test } from 'vitest';
import { RandomStream, scope, tensor, zeros, type Tensor } from '@farmer/tensor';
import {
  compareReverse,
  distillationConfig,
  Distiller,
  Farmer,
  fitHistogram,
  forwardPath,
  imageDataset,
  perturbed,
  preset,
  StudentFlow,
  subset,
  uniformPixels,
  type DistillationConfig,
  type ImageDataset,
} from 'farmer';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters, tinyConfig } from '../support/farmer.ts';

const { height, width } = tinyConfig.image;
const count = 12;
const dataset = imageDataset({
  name: 'ramps',
  images: Uint8Array.from({ length: count * height * width }, (_, i) => (i * 37) % 256),
  labels: new Uint8Array(count),
  ...{ height, width, channels: 1 },
  classNames: ['a', 'b', 'c'],
});
const histogram = fitHistogram(dataset);

function trainedTeacher(): Farmer {
  const teacher = new Farmer(tinyConfig, 1);
  randomizeParameters(teacher, 11, 0.2);
  return teacher;
}

function config(changes: Partial<DistillationConfig> = {}): DistillationConfig {
  const fast = { steps: 30, batch: 8, warmup: 2, peakLearningRate: 1e-2 };
  return distillationConfig(preset('tiny').training, { ...fast, ...changes });
}

const distiller = (teacher: Farmer, changes: Partial<DistillationConfig> = {}, images = dataset) =>
  new Distiller(teacher, config(changes), images, { histogram, sigma: 0, seed: 5 });

async function values(body: () => Tensor): Promise<Float32Array> {
  const result = scope(body);
  const data = Float32Array.from(await result.data());
  result.dispose();
  return data;
}

const loaded = <T>(state: Record<string, T>) => new Map(Object.entries(state));

describeOnDevices('distillation', () => {
  for (const attention of ['bidirectional', 'causal'] as const) {
    test(`${attention}: the loss falls, and the teacher stays as it was to the bit`, async () => {
      const teacher = trainedTeacher();
      const before = await teacher.stateDict();
      const distillation = distiller(teacher, { attention });
      const start = loaded(await distillation.student.stateDict());
      for (const [name, { data }] of start) expect(data).toEqual(before[`flow.${name}`]!.data);
      const losses: number[] = [];
      while (distillation.step < 30) {
        for (let i = 0; i < 5; i++) distillation.advance();
        const { loss, skipped } = await distillation.readMetrics();
        expect(skipped).toBe(0);
        losses.push(loss);
      }
      expect(losses.at(-1)!).toBeLessThan(0.6 * losses[0]!);
      expect(await teacher.stateDict()).toEqual(before);
      expect(loaded(await distillation.student.stateDict())).not.toEqual(start);
      distillation.dispose();
    });
  }

  test("the latents' noise is s times each channel's deviation, with an s up to the most for each image", async () => {
    const [images, tokens, most] = [300, 40, 0.3];
    const spreads = [0.5, 4];
    const z = normals(8, images * tokens * 2).map((x, i) => 3 + spreads[i % 2]! * x);
    const random = new RandomStream(3);
    const noisy = (s: number) => values(() => perturbed(tensor(z, [images, tokens, 2]), random, s));
    expect(await noisy(0)).toEqual(z);
    const noise = (await noisy(most)).map((x, i) => (x - z[i]!) / spreads[i % 2]!);
    const rms = (x: Float32Array) => Math.hypot(...x) / Math.sqrt(x.length);
    // √E s² = most / √3
    for (const channel of [0, 1]) {
      const own = noise.filter((_, i) => i % 2 === channel);
      expect(rms(own) / (most / Math.sqrt(3))).toBeCloseTo(1, 1);
    }
    const each = Array.from({ length: images }, (_, b) =>
      rms(noise.subarray(2 * tokens * b, 2 * tokens * (b + 1))),
    ).sort((a, b) => a - b);
    expect(each[0]).toBeLessThan(0.05 * most);
    expect(each[images / 2]! / most).toBeCloseTo(0.5, 1);
    expect(each.at(-1)! / most).toBeLessThan(1.3);
    random.dispose();
  });

  test('a resumed run equals an uninterrupted one', async () => {
    const teacher = trainedTeacher();
    const whole = distiller(teacher);
    for (let i = 0; i < 6; i++) whole.advance();
    const first = distiller(teacher);
    for (let i = 0; i < 3; i++) first.advance();
    const second = distiller(teacher);
    second.student.loadStateDict(loaded(await first.student.stateDict()), 'half');
    second.optimiser.loadStateDict(loaded(await first.optimiser.stateDict()), 'half');
    second.resumeAt(3);
    for (let i = 3; i < 6; i++) second.advance();
    expect(await second.student.stateDict()).toEqual(await whole.student.stateDict());
    expect(await second.optimiser.stateDict()).toEqual(await whole.optimiser.stateDict());
    expect((await second.readMetrics()).step).toBe(6);
    for (const each of [whole, first, second]) each.dispose();
  });

  test('the first token in reading order stays; a bidirectional token sees all, a causal one those before it', async () => {
    const teacher = trainedTeacher();
    const [, tokens, channels] = [1, 6, 4];
    const z = normals(3, tokens * channels);
    for (const attention of ['bidirectional', 'causal'] as const) {
      const student = new StudentFlow(teacher.flow, tinyConfig, attention);
      for (const block of student.blocks) {
        const invert = (input: Float32Array) =>
          values(() => block.inverse(tensor(input, [1, tokens, channels])));
        const token = (x: Float32Array, i: number) => x.slice(i * channels, (i + 1) * channels);
        // Reading position ↔ image position.
        const at = (i: number) => (block.direction === 'forward' ? i : tokens - 1 - i);
        const before = await invert(z);
        expect(token(before, at(0))).toEqual(token(z, at(0)));
        for (let j = 0; j < tokens; j++) {
          const moved = z.slice();
          moved[at(j) * channels]! += 1;
          const after = await invert(moved);
          for (let i = 1; i < tokens; i++) {
            const changed = token(after, at(i)).join() !== token(before, at(i)).join();
            const expected = attention === 'bidirectional' || j <= i;
            expect(changed, `${attention}: token ${i} after a change of ${j}`).toBe(expected);
          }
        }
      }
    }
  });

  test('steps go through all images, and their latents get noise of the configured size, anew in each step', async () => {
    // No noise on pixels, and next to no learning: steps differ by their images and by the latents' noise alone.
    const teacher = new Farmer({ ...tinyConfig, pixels: 'gaussian' }, 1);
    randomizeParameters(teacher, 11, 0.2);
    const losses = async (images: ImageDataset, batch: number, latentNoise: number) => {
      const changes = { latentNoise, batch, peakLearningRate: 1e-12 };
      const distillation = distiller(teacher, changes, images);
      const found: number[] = [];
      for (let step = 0; step < 3; step++) {
        distillation.advance();
        found.push((await distillation.readMetrics()).loss);
      }
      distillation.dispose();
      return found as [number, number, number];
    };
    const [all] = await losses(dataset, count, 0);
    const thirds = await losses(dataset, count / 3, 0);
    expect(thirds.reduce((sum, loss) => sum + loss / 3, 0) / all).toBeCloseTo(1, 4);
    for (const loss of thirds) expect(Math.abs(loss / all - 1)).toBeGreaterThan(1e-3);

    const one = subset(dataset, [0]);
    const quiet = await losses(one, count, 0);
    for (const loss of quiet) expect(loss / quiet[0]).toBeCloseTo(1, 4);
    const [a, b, c] = await losses(one, count, 3);
    for (const ratio of [a / quiet[0], a / b, a / c, b / c]) {
      expect(Math.abs(ratio - 1)).toBeGreaterThan(1e-3);
    }
  });

  test('a causal student reaches the inverse of a few images', async () => {
    const teacher = trainedTeacher();
    const few = subset(dataset, [0, 1]);
    const steps = 250;
    const changes = { attention: 'causal', steps, latentNoise: 0, peakLearningRate: 2e-2 } as const;
    const distillation = distiller(teacher, changes, few);
    const noise = new Float32Array(few.images.length).fill(0.5);
    const pixels = uniformPixels(height * width).forward(few.images, noise).values;
    const x = scope(() => teacher.tokens(tensor(pixels, [2, height, width, 1])));
    const before = await compareReverse(teacher.flow, distillation.student, x, 1);
    expect(before.student.meanSquaredError).toBeGreaterThan(1);
    while (distillation.step < steps) distillation.advance();
    const after = await compareReverse(teacher.flow, distillation.student, x, 1);
    expect(after.teacher.largestError).toBeLessThan(1e-5);
    expect(after.student.meanSquaredError).toBeLessThan(1e-4);
    expect(after.student.largestError).toBeLessThan(0.05);
    expect(after.speedup).toBeGreaterThan(0);
    distillation.dispose();
  });

  test('the student has no likelihood, and its path ends at the data', async () => {
    const teacher = trainedTeacher();
    const student = new StudentFlow(teacher.flow, tinyConfig);
    expect('forward' in student || 'forward' in student.blocks[0]!).toBe(false);
    const x = tensor(normals(6, 2 * 24), [2, 6, 4]);
    const z = await values(() => forwardPath(teacher.flow, x).at(-1)!);
    expect(z).toEqual(await values(() => teacher.flow.forward(x).z));
    const path = scope(() => student.inversePath(tensor(z, [2, 6, 4])));
    expect(path).toHaveLength(student.blocks.length);
    const whole = await values(() => student.inverse(tensor(z, [2, 6, 4])));
    expect(Float32Array.from(await path[0]!.data())).toEqual(whole);
  });

  test('the student names latents of other shapes, with what would fit', () => {
    const teacher = trainedTeacher();
    const student = new StudentFlow(teacher.flow, tinyConfig);
    for (const shape of [
      [1, 5, 4],
      [1, 6, 5],
      [6, 4],
    ]) {
      const expected = `StudentFlow: tokens are [${shape.join(', ')}], expected [B, 6, 4]`;
      expect(() => student.inverse(zeros(shape))).toThrow(expected);
      expect(() => student.inversePath(zeros(shape))).toThrow(expected);
    }
  });
});
