import { expect, test } from 'vitest';
import { gradCheck, valueAndGrad } from '@farmer/autograd';
import {
  map,
  mean,
  RandomStream,
  reshape,
  scope,
  slice,
  stack,
  sum,
  tensor,
  type Tensor,
} from '@farmer/tensor';
import {
  dimensions,
  Farmer,
  negativeLogLikelihood,
  sampleLatents,
  totalLogLikelihood,
} from 'farmer';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters, read, tinyConfig } from '../support/farmer.ts';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';

const { tokens, channels, informative, values: pixels } = dimensions(tinyConfig);
const imageShape = [4, 6, 1];

function randomModel(overrides: Partial<typeof tinyConfig> = {}): Farmer {
  const model = new Farmer({ ...tinyConfig, ...overrides }, 1);
  randomizeParameters(model, 11);
  return model;
}

describeOnDevices('the model', () => {
  test('AR predictions see earlier informative tokens only; the shared head sees all of them', async () => {
    const model = randomModel();
    const base = normals(1, tokens * informative);
    const labels = [1];
    const predict = async (input: Float32Array) => {
      const parts = scope(() =>
        model
          .requireAr()
          .forward(tensor(input, [1, tokens, informative]), tensor(labels, [1], 'i32')),
      );
      return { each: await parts.informative.data(), shared: await parts.shared!.data() };
    };
    const before = await predict(base);
    const width = before.each.length / tokens;
    for (let j = 0; j < tokens; j++) {
      const moved = base.slice();
      moved[j * informative + 1]! += 1;
      const after = await predict(moved);
      for (let i = 0; i < tokens; i++) {
        const row = (x: ArrayLike<number>) =>
          Array.from(x)
            .slice(i * width, (i + 1) * width)
            .join();
        expect(
          row(after.each) !== row(before.each),
          `prediction ${i} after a change of token ${j}`,
        ).toBe(i > j);
      }
      expect(after.shared).not.toEqual(before.shared);
    }
  });

  test('the likelihood of Zᴵ ignores Zᴿ', async () => {
    const model = randomModel();
    const z = normals(2, tokens * channels);
    const score = (input: Float32Array) =>
      read(
        () =>
          model.latentLogLikelihood(tensor(input, [1, tokens, channels]), tensor([0], [1], 'i32'))
            .informative,
      );
    const moved = z.slice();
    for (let i = 0; i < tokens; i++) moved[i * channels + informative]! += 1;
    expect(await score(moved)).toEqual(await score(z));
  });

  test('the first channels are informative, and tokens in reading order; join undoes split', async () => {
    const model = randomModel();
    const z = normals(2, tokens * channels);
    const split = scope(() => model.split(tensor(z, [1, tokens, channels])));
    expect(await read(() => model.join(split))).toEqual(z);
    expect(model.readingDirection).toBe('backward');
    const last = z.slice((tokens - 1) * channels);
    expect((await split.informative.data()).slice(0, informative)).toEqual(
      last.slice(0, informative),
    );
    expect((await split.redundant!.data()).slice(0, 1)).toEqual(last.slice(informative));
  });

  test('cached decoding equals the full forward pass, with and without a class', async () => {
    const model = randomModel();
    const batch = 3;
    const z = normals(3, batch * tokens * informative);
    const labels = [0, 2, model.nullClass];
    const input = tensor(z, [batch, tokens, informative]);
    const classes = tensor(labels, [batch], 'i32');
    const full = scope(() => model.requireAr().forward(input, classes));
    const stepwise = scope(() => {
      const ar = model.requireAr();
      const caches = ar.transformer.createCaches(batch, ar.conditionRepeat + tokens);
      const position = tensor([0], [1], 'u32');
      let hidden = ar.start(classes, caches, position);
      const heads: Tensor[] = [];
      for (let i = 0; i < tokens; i++) {
        heads.push(ar.predictToken(hidden));
        hidden = ar.next(slice(input, { axis: 1, start: i, end: i + 1 }), caches, position);
      }
      return { informative: stack(heads, 1), shared: ar.predictShared(hidden)! };
    });
    for (const part of ['informative', 'shared'] as const) {
      const wrong = mismatch(await stepwise[part]!.data(), await full[part]!.data(), {
        absolute: 2e-5,
        relative: 1e-4,
      });
      expect(wrong).toBeUndefined();
    }
  });

  test('no dial is turned that the model has not', () => {
    const whole = new Farmer({ ...tinyConfig, informativeChannels: 4 }, 1);
    const random = new RandomStream(1);
    expect(() =>
      sampleLatents(whole, tensor([0], [1], 'i32'), random, { redundantScale: 0.5 }),
    ).toThrow('no redundant channels');
    [whole, random].forEach((owner) => owner.dispose());
  });

  test('the dial scales the deviations of redundant tokens from their means, and nothing else (figure 7)', async () => {
    const model = randomModel();
    const random = new RandomStream(6);
    const labels = tensor([0, 1], [2], 'i32');
    const draw = async (redundantScale: number) => {
      random.setStep(0);
      const parts = scope(() => sampleLatents(model, labels, random, { redundantScale }));
      return { zI: await parts.informative.data(), zR: await parts.redundant!.data() };
    };
    const [none, once, twice] = [await draw(0), await draw(1), await draw(2)];
    expect(none.zI).toEqual(once.zI);
    expect(twice.zI).toEqual(once.zI);
    const expected = once.zR.map((z, i) => 2 * z - none.zR[i]!);
    expect(mismatch(twice.zR, expected, { absolute: 1e-5 })).toBeUndefined();
    expect(Math.max(...once.zR.map((z, i) => Math.abs(z - none.zR[i]!)))).toBeGreaterThan(0.5);
  });

  test('K = 1: flow and AR are one deeper autoregressive flow (appendix A.1)', async () => {
    // All channels informative and one component: log N(z; μ, σ²) = log N((z − μ)/σ; 0, 1) − Σ log σ.
    const model = randomModel({ components: 1, informativeChannels: channels });
    const x = tensor(normals(4, 2 * pixels), [2, ...imageShape]);
    const labels = tensor([1, 2], [2], 'i32');
    const mixture = () => totalLogLikelihood(model.logLikelihood(x, labels));
    const deeper = () => {
      const { z, logDet } = model.flow.forward(model.tokens(x));
      const { informative: latents } = model.split(z);
      const head = model.requireAr().forward(latents, labels).informative; // [B, N, 1 + 2d]
      const mean = slice(head, { axis: 2, start: 1, end: 1 + channels });
      const std = map('squareplus(raw)', {
        raw: slice(head, { axis: 2, start: 1 + channels, end: 1 + 2 * channels }),
      });
      const last = map('(z - mu) / sigma', { z: latents, mu: mean, sigma: std });
      const perChannel = map('-0.5 * e * e - 0.9189385332 - log(sigma)', { e: last, sigma: std });
      return map('prior + logDet', {
        prior: sum(reshape(perChannel, [2, -1]), { axes: [1] }),
        logDet,
      });
    };
    const tolerance = { absolute: 1e-3, relative: 1e-5 };
    expect(mismatch(await read(mixture), await read(deeper), tolerance)).toBeUndefined();
    const [expected, actual] = [deeper, mixture].map(
      (f) => valueAndGrad(() => mean(f()), model.parameters()).gradients,
    );
    for (const [i, name] of [...model.namedParameters().keys()].entries()) {
      const wrong = mismatch(await actual![i]!.data(), await expected![i]!.data(), tolerance);
      expect(wrong, name).toBeUndefined();
    }
  });

  test('labels that the model does not know are named', async () => {
    const model = randomModel();
    expect([...(await model.labels([0, 2, model.nullClass]).data())]).toEqual([0, 2, 3]);
    for (const label of [4, -1, 0.5, NaN]) {
      expect(() => model.labels([0, label])).toThrow(RangeError);
      expect(() => model.labels([0, label])).toThrow(
        `label ${label} is none of the 3 classes, 0 … 2, nor 3 for no class`,
      );
    }
  });

  test('images, labels and latents of other shapes are named, with what would fit', () => {
    const model = randomModel();
    const ones = (shape: readonly number[], dtype: 'f32' | 'i32' = 'f32') =>
      tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, dtype);
    const images = ones([2, ...imageShape]);
    const labels = ones([2], 'i32');
    const score = (x: Tensor, c: Tensor) => () => model.logLikelihood(x, c);
    expect(score(images, labels)).not.toThrow();
    for (const shape of [[2, 1, 4, 6], imageShape, [2, 6, 4, 1]]) {
      expect(score(ones(shape), labels)).toThrow('expected [B, 4, 6, 1]: channels last');
    }
    for (const wrong of [ones([2]), ones([1], 'i32'), ones([2, 1], 'i32')]) {
      expect(score(images, wrong)).toThrow(
        'expected i32 [2], a class for each image, as model.labels([…]) gives',
      );
    }
    const random = new RandomStream(1);
    expect(() => sampleLatents(model, ones([2]), random)).toThrow('labels are f32 [2]');
    for (const shape of [
      [1, tokens - 1, channels],
      [1, tokens, channels + 1],
      [tokens, channels],
    ]) {
      const expected = `expected [B, ${tokens}, ${channels}]`;
      expect(() => model.flow.forward(ones(shape))).toThrow(expected);
      expect(() => model.flow.inverse(ones(shape))).toThrow(expected);
    }
  });

  test('the gradient of the whole loss passes gradCheck', async () => {
    const model = randomModel();
    const x = tensor(normals(5, 2 * pixels), [2, ...imageShape]);
    const labels = tensor([1, model.nullClass], [2], 'i32');
    const { worst } = await gradCheck(
      () => negativeLogLikelihood(model.logLikelihood(x, labels), pixels),
      model.parameters(),
      { directions: 1, random: uniformSource(1) },
    );
    expect(worst).toBeLessThan(0.03);
  });

  test('a density of two values integrates to 1', async () => {
    // One token of two channels after a block of two tokens of one: enough for the flow to couple them.
    const config = {
      ...tinyConfig,
      image: { height: 1, width: 2, channels: 1 as const },
      patch: 1,
      informativeChannels: 1,
    };
    const model = new Farmer(config, 2);
    randomizeParameters(model, 12, 0.4);
    const [low, high, steps] = [-24, 24, 240];
    const width = (high - low) / steps;
    const grid = Float32Array.from({ length: steps * steps * 2 }, (_, i) => {
      const point = Math.floor(i / 2);
      const k = i % 2 === 0 ? Math.floor(point / steps) : point % steps;
      return low + (k + 0.5) * width;
    });
    const count = steps * steps;
    const logs = await read(() =>
      totalLogLikelihood(
        model.logLikelihood(
          tensor(grid, [count, 1, 2, 1]),
          tensor(new Int32Array(count), [count], 'i32'),
        ),
      ),
    );
    const integral = logs.reduce((total, log) => total + Math.exp(log) * width * width, 0);
    expect(Math.abs(integral - 1)).toBeLessThan(0.02);
  });
});
