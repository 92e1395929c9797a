import { expect, test } from 'vitest';
import { gradCheck } from '@farmer/autograd';
import { RandomStream, scope, tensor } from '@farmer/tensor';
import {
  dimensions,
  exactResampling,
  Farmer,
  fitHistogram,
  imageDataset,
  negativeLogLikelihood,
  preset,
  sampleImages,
  sampleLatents,
  totalLogLikelihood,
  Trainer,
  type ModelConfig,
} from 'farmer';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters, read, tinyConfig } from '../support/farmer.ts';

const { tokens, channels, informative, values: pixels } = dimensions(tinyConfig);
const imageShape = [4, 6, 1];

/** The rows of the paper's tables 3 and 4, as changes of the full model. */
const baselines: Record<string, Partial<ModelConfig>> = {
  'Jet flow': { flow: { ...tinyConfig.flow, kind: 'jet' } },
  'plain TARFlow': { prior: 'gaussian' },
  'independent Gaussian for the redundant part': { redundantPrior: 'independent-gaussian' },
  'no dimension reduction': { informativeChannels: channels },
  'condition once': { conditionRepeat: 1 },
  'no final permutation': { finalPermutation: false },
  'TARFlow on a Jet flow': { flow: { ...tinyConfig.flow, kind: 'jet' }, prior: 'gaussian' },
};

function randomModel(overrides: Partial<ModelConfig>): Farmer {
  const model = new Farmer({ ...tinyConfig, ...overrides }, 1);
  randomizeParameters(model, 21);
  return model;
}

/** ∫ p over a cube around 0, by the midpoint rule. */
async function integral(
  model: Farmer,
  shape: readonly number[],
  { bound, steps }: { bound: number; steps: number },
): Promise<number> {
  const axes = shape.reduce((a, b) => a * b, 1);
  const width = (2 * bound) / steps;
  const count = steps ** axes;
  const grid = Float32Array.from({ length: count * axes }, (_, i) => {
    const k = Math.floor(Math.floor(i / axes) / steps ** (i % axes)) % steps;
    return -bound + (k + 0.5) * width;
  });
  const labels = tensor(new Int32Array(count), [count], 'i32');
  const logs = await read(() =>
    totalLogLikelihood(model.logLikelihood(tensor(grid, [count, ...shape]), labels)),
  );
  return logs.reduce((total, log) => total + Math.exp(log) * width ** axes, 0);
}

describeOnDevices('baselines', (device) => {
  for (const [name, overrides] of Object.entries(baselines)) {
    test(`${name}: images that are drawn map back to the latents that were drawn`, async () => {
      const model = randomModel(overrides);
      const random = new RandomStream(5);
      const labels = tensor([0, 1, 2], [3], 'i32');
      const drawn = await read(() => {
        random.setStep(0);
        return model.join(sampleLatents(model, labels, random));
      });
      const back = await read(() => {
        random.setStep(0);
        return model.flow.forward(model.tokens(sampleImages(model, labels, random))).z;
      });
      expect(Math.max(...drawn.map(Math.abs))).toBeGreaterThan(1);
      expect(mismatch(back, drawn, { absolute: 5e-4, relative: 1e-4 })).toBeUndefined();
    });

    test(`${name}: a model that is disposed holds no memory`, () => {
      const before = device().memory().live;
      const model = randomModel(overrides);
      expect(device().memory().live).toBeGreaterThan(before);
      model.dispose();
      expect(device().memory().live).toBe(before);
    });

    test(`${name}: the loss's gradient passes gradCheck`, async () => {
      const model = randomModel(overrides);
      const x = tensor(normals(5, 2 * pixels), [2, ...imageShape]);
      const labels = tensor([1, model.nullClass], [2], 'i32');
      const { worst } = await gradCheck(
        () => negativeLogLikelihood(model.logLikelihood(x, labels), pixels),
        model.parameters(),
        { directions: 1, random: uniformSource(1) },
      );
      expect(worst).toBeLessThan(0.03);
    });
  }

  test('a Gaussian prior scores −½|z|² − (D/2) log 2π + log|det|, of any class, and has no AR parameters', async () => {
    const model = randomModel({ prior: 'gaussian' });
    const x = tensor(normals(6, 3 * pixels), [3, ...imageShape]);
    const score = (labels: readonly number[]) =>
      read(() => totalLogLikelihood(model.logLikelihood(x, tensor(labels, [3], 'i32'))));
    const mapped = scope(() => model.flow.forward(model.tokens(x)));
    const z = await mapped.z.data();
    const expected = Array.from(await mapped.logDet.data(), (logDet, b) => {
      const own = Array.from(z.subarray(b * pixels, (b + 1) * pixels));
      const squares = own.reduce((total, value) => total + value * value, 0);
      return -0.5 * squares - 0.5 * pixels * Math.log(2 * Math.PI) + logDet;
    });
    const actual = await score([0, 1, 2]);
    expect(mismatch(actual, expected, { absolute: 1e-4, relative: 1e-5 })).toBeUndefined();
    expect(await score([2, 0, model.nullClass])).toEqual(actual);
    expect([...model.namedParameters().keys()].filter((name) => !name.startsWith('flow'))).toEqual(
      [],
    );
    expect(() => model.requireAr()).toThrow('model.prior is "gaussian"');
    const random = new RandomStream(5);
    const ineffective = [{ guidance: exactResampling }, { redundantScale: 0.5 }, { logitScale: 2 }];
    for (const options of ineffective) {
      expect(() => sampleLatents(model, tensor([0], [1], 'i32'), random, options)).toThrow(
        'its prior is N(0, I)',
      );
    }
  });

  test('an independent Gaussian scores Zᴿ alone, and predicts no shared mixture', async () => {
    const model = randomModel({ redundantPrior: 'independent-gaussian' });
    const score = (z: Float32Array) =>
      read(
        () =>
          model.latentLogLikelihood(tensor(z, [1, tokens, channels]), tensor([1], [1], 'i32'))
            .redundant!,
      );
    const z = normals(7, tokens * channels);
    const moved = z.map((value, i) => (i % channels < informative ? value + 1 : value));
    expect(await score(moved)).toEqual(await score(z));
    const redundant = Array.from(z).filter((_, i) => i % channels >= informative);
    const expected = redundant.reduce((s, v) => s - 0.5 * v * v - 0.5 * Math.log(2 * Math.PI), 0);
    expect((await score(z))[0]!).toBeCloseTo(expected, 4);
    expect([...model.namedParameters().keys()].join()).not.toContain('sharedHead');
  });

  test('the dial of redundant deviations reaches an independent Gaussian', async () => {
    const model = randomModel({ redundantPrior: 'independent-gaussian' });
    const random = new RandomStream(6);
    const labels = tensor([0, 1], [2], 'i32');
    const draw = (redundantScale: number) => {
      random.setStep(0);
      return read(() => sampleLatents(model, labels, random, { redundantScale }).redundant!);
    };
    const once = await draw(1);
    expect(
      mismatch(
        await draw(2),
        once.map((v) => 2 * v),
        { relative: 1e-6 },
      ),
    ).toBeUndefined();
    expect(Math.max(...(await draw(0)).map(Math.abs))).toBe(0);
  });

  test('the density of a TARFlow of two values integrates to 1', async () => {
    const image = { height: 1, width: 2, channels: 1 as const };
    const model = new Farmer(
      { ...tinyConfig, image, patch: 1, informativeChannels: 1, prior: 'gaussian' },
      2,
    );
    randomizeParameters(model, 12, 0.4);
    const total = await integral(model, [1, 2, 1], { bound: 24, steps: 240 });
    expect(Math.abs(total - 1)).toBeLessThan(0.02);
  });

  test('densities of one coloured pixel integrate to 1', async () => {
    const image = { height: 1, width: 1, channels: 3 as const };
    const config = { ...tinyConfig, image, patch: 1, informativeChannels: 1 };
    for (const overrides of [
      { redundantPrior: 'independent-gaussian' as const },
      { flow: { ...config.flow, kind: 'jet' as const }, prior: 'gaussian' as const },
    ]) {
      const model = new Farmer({ ...config, ...overrides }, 3);
      randomizeParameters(model, 13, 0.2);
      const total = await integral(model, [1, 1, 3], { bound: 9, steps: 36 });
      expect(Math.abs(total - 1)).toBeLessThan(0.02);
    }
  });

  test('a TARFlow trains without an AR model', async () => {
    const config = preset('tiny');
    config.model = {
      ...{ ...config.model, prior: 'gaussian', pixels: 'uniform' },
      image: { height: 8, width: 8, channels: 1 },
    };
    config.training = { ...config.training, batch: 4, steps: 4, warmup: 1, labelDropout: 0.5 };
    const data = Uint8Array.from({ length: 8 * 64 }, (_, i) => (i * 37) % 256);
    const dataset = imageDataset({
      ...{ name: 'stripes', height: 8, width: 8, channels: 1 },
      classNames: Array.from({ length: 10 }, (_, i) => String(i)),
      images: data,
      labels: Uint8Array.from({ length: 8 }, (_, i) => i),
    });
    const histogram = fitHistogram(dataset);
    const model = new Farmer(config.model, 1);
    const trainer = new Trainer(model, config.training, dataset, { histogram, seed: 1 });
    trainer.advance();
    const first = await trainer.readMetrics();
    for (let i = 0; i < 3; i++) trainer.advance();
    const last = await trainer.readMetrics();
    expect(first.skipped + last.skipped).toBe(0);
    expect(last.loss).toBeLessThan(first.loss);
    trainer.dispose();
  });
});
