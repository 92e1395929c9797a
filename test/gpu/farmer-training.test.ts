import { afterAll, describe, expect, test } from 'vitest';
import {
  persist,
  setDefaultDevice,
  sum,
  WebGpuDevice,
  zeros,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { mismatch } from '@farmer/tensor/conformance';
import type { StateDict } from '@farmer/nn';
import { openDevice } from '@farmer/tensor/node';
import {
  CapturedTraining,
  evaluate,
  Farmer,
  fitHistogram,
  preset,
  Trainer,
  type FarmerConfig,
  type ImageDataset,
  type TrainingConfig,
  type TrainingMetrics,
} from 'farmer';
import { openTestDevice, testDevices } from '../support/devices.ts';
import { tinyConfig } from '../support/farmer.ts';
import { syntheticImages } from '../support/synthetic-images.ts';

const dataset = syntheticImages(200, 4, 6);
const histogram = fitHistogram(dataset);
const config: FarmerConfig = {
  model: { ...tinyConfig, pixels: 'cdf' },
  training: { ...preset('tiny').training, steps: 60, batch: 16, warmup: 5 },
};

const newTrainer = ({
  seed = 1,
  training = config.training,
  model = new Farmer(config.model, seed),
} = {}) => new Trainer(model, training, dataset, { histogram, seed });

/** The loss of each step. */
async function losses(trainer: Trainer, steps: number): Promise<number[]> {
  const result: number[] = [];
  for (let i = 0; i < steps; i++) {
    trainer.advance();
    result.push((await trainer.readMetrics()).loss);
  }
  return result;
}

const opened: Device[] = [];
async function use(open: Promise<Device>): Promise<Device> {
  const device = await open;
  opened.push(device);
  setDefaultDevice(device);
  return device;
}
afterAll(() => opened.forEach((device) => device.destroy()));

describe('training', () => {
  test('fifty steps from one seed give the same losses on every device, and learn', async () => {
    await use(openDevice({ device: 'cpu' }));
    const reference = await losses(newTrainer(), 50);
    expect(reference.at(-1)!).toBeLessThan(reference[0]! - 0.1);
    for (const name of testDevices.filter((name) => name !== 'cpu')) {
      await use(openTestDevice(name));
      const others = await losses(newTrainer(), 50);
      const worst = Math.max(...others.map((loss, i) => Math.abs(loss - reference[i]!)));
      expect(worst, name).toBeLessThan(2e-3);
    }
  });

  test('one and two threads give the same bits', async () => {
    await use(openDevice({ device: 'cpu', threads: 1 }));
    const one = await losses(newTrainer(), 20);
    await use(openDevice({ device: 'cpu', threads: 2 }));
    expect(await losses(newTrainer(), 20)).toEqual(one);
  });

  for (const name of testDevices) {
    test(`on ${name} a seed repeats to the bit, and another one differs`, async () => {
      await use(openTestDevice(name));
      const first = await losses(newTrainer({ seed: 1 }), 8);
      expect(await losses(newTrainer({ seed: 1 }), 8)).toEqual(first);
      expect(await losses(newTrainer({ seed: 2 }), 8)).not.toEqual(first);
    });

    test(`on ${name} a steady step makes nothing new, and takes one submit`, async () => {
      const device = await use(openTestDevice(name));
      const trainer = newTrainer();
      trainer.advance();
      await trainer.readMetrics();
      const memory = device.memory();
      const before = device instanceof WebGpuDevice ? device.statistics() : undefined;
      const readings: Promise<TrainingMetrics>[] = [];
      for (let i = 1; i <= 20; i++) {
        trainer.advance();
        // Read while later steps are started already; a reading is a copy, submitted by itself.
        if (i % 5 !== 0) continue;
        await readings.at(-1);
        readings.push(trainer.readMetrics());
      }
      const steps = (await Promise.all(readings)).map(({ step }) => step);
      expect(steps).toEqual([6, 11, 16, 21]);
      expect(device.memory()).toEqual(memory);
      if (device instanceof WebGpuDevice) {
        expect(device.statistics()).toEqual({ ...before, submits: before!.submits + 24 });
      }
    });

    test(`on ${name} a training that ends gives up all memory but its model's`, async () => {
      const device = await use(openTestDevice(name));
      const model = new Farmer(config.model, 1);
      // The CPU keeps the code of the kernels that it has built.
      const held = () => ({ ...device.memory().byTag, kernels: 0 });
      const before = held();
      const trainer = newTrainer({ model });
      trainer.advance();
      trainer.dispose();
      expect(device.memory().pooled).toBe(0);
      expect(held()).toEqual(before);
      expect((await evaluate(model, histogram, dataset)).bitsPerDim).toBeGreaterThan(0);
    });

    test(`on ${name} metrics are those of their own steps, however late they are awaited`, async () => {
      await use(openTestDevice(name));
      const [prompt, late] = [newTrainer(), newTrainer()];
      const expected: TrainingMetrics[] = [];
      for (let i = 0; i < 4; i++) {
        prompt.advance();
        expected.push(await prompt.readMetrics());
      }
      const readings = expected.map(() => {
        late.advance();
        return late.readMetrics();
      });
      expect(await Promise.all(readings)).toEqual(expected);
    });
  }

  test('a run that resumes goes on as one that was not interrupted, to the bit', async () => {
    await use(openDevice({ device: 'cpu' }));
    const [whole, first] = [newTrainer(), newTrainer()];
    const expected = await losses(whole, 6);
    expect(await losses(first, 3)).toEqual(expected.slice(0, 3));
    const loaded = async (state: Promise<StateDict>) => new Map(Object.entries(await state));
    const resumed = newTrainer();
    resumed.model.loadStateDict(await loaded(first.model.stateDict()), 'first');
    resumed.optimiser.loadStateDict(await loaded(first.optimiser.stateDict()), 'first');
    resumed.resumeAt(3);
    expect(await losses(resumed, 3)).toEqual(expected.slice(3));
  });

  test('the first step moves every value by the learning rate, as Adam does without clipping', async () => {
    await use(openDevice({ device: 'cpu' }));
    const trainer = newTrainer();
    const bias = trainer.model.namedParameters().get('ar.informativeHead.bias')!;
    const before = await bias.data();
    trainer.advance();
    const { learningRate } = await trainer.readMetrics();
    expect(learningRate).toBeCloseTo(config.training.peakLearningRate / config.training.warmup, 9);
    const moved = Array.from(await bias.data(), (x, i) => Math.abs(x - before[i]!) / learningRate);
    for (const share of moved) expect(share).toBeCloseTo(1, 2);
  });

  test('a step moves a weight by its rate: up to the peak in the steps of warm-up, then down a cosine', async () => {
    await use(openDevice({ device: 'cpu' }));
    const [steps, warmup, final] = [10, 4, 0.1];
    const weight = persist(zeros([1]));
    // Its gradient is 1: Adam moves it by the rate.
    const training = new CapturedTraining(
      {
        ...{ steps, warmup, peakLearningRate: 1, finalLearningRate: final },
        ...{ betas: [0.9, 0.95], weightDecay: 0, clip: 1 },
      },
      { parameters: new Map([['weight', weight]]), prepare: () => {}, loss: () => sum(weight) },
    );
    const [moves, rates]: [number[], number[]] = [[], []];
    for (let step = 0; step < steps; step++) {
      const [before] = await weight.data();
      training.advance();
      moves.push(before! - (await weight.data())[0]!);
      rates.push((await training.readMetrics()).learningRate);
    }
    const decay = (done: number) => final + (1 - final) * 0.5 * (1 + Math.cos(Math.PI * done));
    const expected = [1 / 4, 2 / 4, 3 / 4, 1, ...[0, 1, 2, 3, 4, 5].map((i) => decay(i / 6))];
    expect(mismatch(rates, expected)).toBeUndefined();
    expect(mismatch(moves, expected)).toBeUndefined();
  });

  test('dropped labels train the null class alone, and labels that are kept their own', async () => {
    await use(openDevice({ device: 'cpu' }));
    const { classes, ar } = config.model;
    for (const labelDropout of [0, 1]) {
      const training = { ...config.training, weightDecay: 0, labelDropout };
      const trainer = newTrainer({ training });
      const { weight } = trainer.model.requireAr().classEmbedding;
      const before = await weight.data();
      trainer.advance();
      const after = await weight.data();
      const moved = Array.from({ length: classes + 1 }, (_, label) =>
        after
          .subarray(label * ar.width, (label + 1) * ar.width)
          .some((x, i) => x !== before[label * ar.width + i]),
      );
      const [own, none] = [labelDropout === 0, labelDropout === 1];
      expect(moved).toEqual([own, own, own, none]);
    }
  });

  test('a configuration that cannot be trained by is named', async () => {
    await use(openDevice({ device: 'cpu' }));
    const training = { ...config.training, labelDropout: 1.5 };
    expect(() => newTrainer({ training })).toThrow('new Trainer: training.labelDropout is 1.5');
  });

  test('images and classes of another model are named', async () => {
    await use(openDevice({ device: 'cpu' }));
    const model = new Farmer(config.model, 1);
    const trainOn = (images: ImageDataset) =>
      new Trainer(model, config.training, images, { histogram, seed: 1 });
    const larger = syntheticImages(8, 5, 6);
    const labels = dataset.labels.map((label) => label % 2);
    const fewer = { ...dataset, labels, classes: 2, classNames: ['left', 'right'] };
    const size = 'model.image is 4 × 6 × 1, but the images of "synthetic" are 5 × 6 × 1';
    expect(() => trainOn(larger)).toThrow(size);
    expect(() => trainOn(fewer)).toThrow('model.classes is 3, but "synthetic" has 2 classes');
    await expect(evaluate(model, histogram, larger)).rejects.toThrow(size);
    await expect(evaluate(model, histogram, fewer)).rejects.toThrow('model.classes is 3');
    const { images } = await evaluate(model, histogram, fewer, { unconditional: true });
    expect(images).toBe(dataset.count);
  });

  test('rates, betas, decay and clip are those of the configuration', async () => {
    await use(openDevice({ device: 'cpu' }));
    /** How far each value of a parameter moves in each of two steps. */
    const moves = async (name: string, changes: Partial<TrainingConfig>) => {
      const schedule = { steps: 2, warmup: 0, peakLearningRate: 1e-3, finalLearningRate: 0.5 };
      const training = { ...config.training, ...schedule, weightDecay: 0, ...changes };
      const trainer = newTrainer({ training });
      const parameter = trainer.model.namedParameters().get(name)!;
      const values = [await parameter.data()];
      for (let step = 0; step < 2; step++) {
        trainer.advance();
        values.push(await parameter.data());
      }
      const moved = [0, 1].map((step) =>
        Array.from(values[step + 1]!, (x, i) => (x - values[step]![i]!) / 1e-3),
      );
      return { start: values[0]!, moved };
    };
    const [bias, weight] = ['ar.informativeHead.bias', 'ar.informativeHead.weight'] as const;
    // Without momenta each step is as long as its rate: the peak, and halfway to the final one.
    const plain = await moves(bias, { betas: [0, 0] });
    for (const [step, rate] of [1, 0.75].entries()) {
      for (const move of plain.moved[step]!) expect(Math.abs(move)).toBeCloseTo(rate, 2);
    }
    const still = await moves(weight, {});
    const decaying = await moves(weight, { weightDecay: 0.5 });
    decaying.moved[0]!.forEach((move, i) =>
      expect(move + 0.5 * decaying.start[i]!).toBeCloseTo(still.moved[0]![i]!, 3),
    );
    // Gradients far below Adam's ε, 1e-8, move next to nothing.
    const clipped = await moves(weight, { clip: 1e-10 });
    expect(Math.max(...clipped.moved[0]!.map(Math.abs))).toBeLessThan(0.05);
  });

  test('labels are dropped at the rate of dropout, others in each step', async () => {
    await use(openDevice({ device: 'cpu' }));
    const seen = async (labelDropout: number) => {
      const model = new Farmer(config.model, 1);
      const score = model.logLikelihood.bind(model);
      let labels: Tensor | undefined;
      model.logLikelihood = (images, given) => score(images, (labels = given));
      const training = { ...config.training, labelDropout };
      const trainer = newTrainer({ training, model });
      const steps: number[][] = [];
      for (let step = 0; step < 30; step++) {
        trainer.advance();
        steps.push([...(await labels!.data())]);
      }
      return steps;
    };
    const all = (await seen(0)).flat();
    const nullClass = 3;
    const steps = await seen(0.25);
    const dropped = steps.map((labels) => labels.map((label) => label === nullClass));
    steps.flat().forEach((label, i) => expect([all[i], nullClass]).toContain(label));
    // 480 labels: the share's standard deviation is 0.02.
    expect(dropped.flat().filter(Boolean).length / all.length).toBeCloseTo(0.25, 1);
    expect(new Set(dropped.map(String)).size).toBeGreaterThan(20);
  });

  test('bits are per dimension of the images as they are, though the loss counts their padding', async () => {
    await use(openDevice({ device: 'cpu' }));
    const model = { ...config.model, pixels: 'uniform' as const, patch: 4 };
    const trainer = newTrainer({ model: new Farmer(model, 1) });
    trainer.advance();
    const { loss, bitsPerDim } = await trainer.readMetrics();
    const [padded, own] = [4 * 8, 4 * 6];
    expect(bitsPerDim).toBeCloseTo((padded * (loss / Math.LN2 + 7)) / own, 4);
  });

  test('a step whose loss is not finite changes nothing and is counted', async () => {
    await use(openDevice({ device: 'cpu' }));
    const trainer = newTrainer();
    const position = trainer.model.namedParameters().get('flow.blocks.0.position')!;
    const values = Float32Array.from(await position.data());
    position.write(new Float32Array(values.length).fill(NaN));
    const weight = trainer.model.namedParameters().get('flow.blocks.0.inputProjection.weight')!;
    const before = await weight.data();
    trainer.advance();
    expect((await trainer.readMetrics()).skipped).toBe(1);
    expect(await weight.data()).toEqual(before);
    position.write(values);
    trainer.advance();
    const metrics = await trainer.readMetrics();
    expect(metrics.skipped).toBe(0);
    expect(metrics.loss).toBeLessThan(10);
  });
});
