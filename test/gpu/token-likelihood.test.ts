import { expect, test } from 'vitest';
import { philoxUniforms, scope, tensor } from '@farmer/tensor';
import {
  evaluate,
  Farmer,
  fitHistogram,
  imageDataset,
  scoreImages,
  scoreTokens,
  scoringMap,
  tokenLogLikelihood,
  type ModelConfig,
} from 'farmer';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters, tinyConfig } from '../support/farmer.ts';

const variants: Record<string, Partial<ModelConfig>> = {
  'the paper’s model': {},
  'two blocks, no final permutation': {
    flow: { ...tinyConfig.flow, blocks: 2 },
    finalPermutation: false,
  },
  'a Jet flow': { flow: { ...tinyConfig.flow, kind: 'jet' } },
  'a Gaussian prior': { prior: 'gaussian' },
  'no redundant channels': { informativeChannels: 4 },
};

function randomModel(changes: Partial<ModelConfig>): Farmer {
  const model = new Farmer({ ...tinyConfig, ...changes }, 1);
  randomizeParameters(model, 21);
  return model;
}

/** Images whose sides the patch does not divide; `count` is a multiple of 3. */
function oddImages(channels: 1 | 3, count = 6) {
  const [height, width] = [3, 5];
  const uniforms = philoxUniforms(7, 0, channels, count * height * width * channels);
  return imageDataset({
    ...{ name: 'odd', height, width, channels, classNames: ['a', 'b', 'c'] },
    images: Uint8Array.from(uniforms, (u) => 256 * u),
    labels: Array.from({ length: count }, (_, i) => i % 3),
  });
}

describeOnDevices('likelihood by token', () => {
  test.each(Object.entries(variants))('adds up to the image’s: %s', async (_, changes) => {
    const model = randomModel(changes);
    const x = tensor(normals(1, 48), [2, 4, 6, 1]);
    const labels = tensor([0, 2], [2], 'i32');
    const whole = scope(() => model.logLikelihood(x, labels));
    const each = scope(() => tokenLogLikelihood(model, x, labels));
    for (const part of ['informative', 'redundant', 'logDet'] as const) {
      expect(each[part] === undefined).toBe(whole[part] === undefined);
      if (!each[part]) continue;
      expect(each[part].shape).toEqual([2, 6]);
      const values = [...(await each[part].data())];
      const sums = [0, 6].map((at) => values.slice(at, at + 6).reduce((a, b) => a + b, 0));
      const expected = await whole[part]!.data();
      sums.forEach((sum, i) => expect(sum).toBeCloseTo(expected[i]!, 3));
    }
  });

  test('the log-det of a patch stands at its place', async () => {
    // One block in raster order leaves the first token as it is: of all tokens its log-det alone is 0.
    const model = randomModel({ flow: { ...tinyConfig.flow, blocks: 1 } });
    const x = tensor(normals(2, 24), [1, 4, 6, 1]);
    const parts = scope(() => tokenLogLikelihood(model, x, tensor([0], [1], 'i32')));
    const isZero = Array.from(await parts.logDet.data(), (value) => value === 0);
    expect(isZero).toEqual([true, false, false, false, false, false]);
  });

  test.each([true, false])(
    'the prior of a patch stands at its place, and knows those read before it; final permutation: %s',
    async (finalPermutation) => {
      // A flow starts as the identity: latents are pixels, the fourth of a patch redundant.
      const model = new Farmer({ ...tinyConfig, patchTransform: 'none', finalPermutation }, 1);
      randomizeParameters(model.requireAr(), 21);
      const [rows, columns] = [2, 3];
      const patches = Array.from({ length: rows * columns }, (_, i) => i);
      const pixels = normals(2, 24);
      const score = async (images: Float32Array) => {
        const labels = tensor([0], [1], 'i32');
        const x = tensor(images, [1, 4, 6, 1]);
        const parts = scope(() => tokenLogLikelihood(model, x, labels));
        return [await parts.informative.data(), await parts.redundant!.data()] as const;
      };
      const [informative, redundant] = await score(pixels);
      /** Which patches get another density when a pixel of one moves. */
      const changes = async (patch: number, pixel: readonly [number, number]) => {
        const [row, column] = [Math.floor(patch / columns), patch % columns];
        const moved = pixels.slice();
        moved[(2 * row + pixel[0]) * 6 + 2 * column + pixel[1]]! += 1;
        const [i, r] = await score(moved);
        const changed = (a: ArrayLike<number>, b: ArrayLike<number>) =>
          patches.filter((at) => a[at] !== b[at]);
        return { informative: changed(i, informative), redundant: changed(r, redundant) };
      };
      const isForward = !finalPermutation;
      for (const patch of patches) {
        const [first, last] = [await changes(patch, [0, 0]), await changes(patch, [1, 1])];
        const onwards = patches.filter((at) => (isForward ? at >= patch : at <= patch));
        expect(first.informative).toEqual(onwards);
        // The shared mixture depends on every informative channel.
        expect(first.redundant).toEqual(patches);
        expect(last).toEqual({ informative: [], redundant: [patch] });
      }
    },
  );

  test.each([1, 3] as const)(
    'of %i channels and padded, in bits: the mean over tokens is the image’s, over its own pixels',
    async (channels) => {
      const data = oddImages(channels);
      const image = { height: 3, width: 5, channels };
      const model = randomModel({ image, pixels: 'cdf' });
      const histogram = fitHistogram(data);
      const noise = philoxUniforms(0, 0, 0, data.count * model.dimensions.values);
      const labels = [...data.labels];
      const map = scoringMap(model.config, histogram);
      const scores = await scoreTokens(model, map, { pixels: data.images, noise, labels });
      const { tokens, imageValues } = model.dimensions;
      for await (const { index, score } of scoreImages(model, histogram, data)) {
        for (const part of ['total', 'informative', 'redundant', 'logDet', 'pixels'] as const) {
          const own = scores[part].subarray(index * tokens, (index + 1) * tokens);
          const mean = own.reduce((a, b) => a + b, 0) / tokens;
          expect(mean).toBeCloseTo(score[part], 4);
        }
      }
      expect(imageValues).toBe(15 * channels);
      const { bitsPerDim } = await evaluate(model, histogram, data);
      expect(bitsPerDim).toBeCloseTo(
        scores.total.reduce((a, b) => a + b, 0) / scores.total.length,
        4,
      );
    },
  );

  test('every image counts, those of a short last batch too', async () => {
    const count = 2601;
    const data = oddImages(1, count);
    const model = randomModel({ image: { height: 3, width: 5, channels: 1 }, pixels: 'cdf' });
    const histogram = fitHistogram(data);
    const totals: number[] = [];
    for await (const { index, score } of scoreImages(model, histogram, data)) {
      expect(index).toBe(totals.length);
      totals.push(score.total);
    }
    expect(totals).toHaveLength(count);
    const mean = totals.reduce((a, b) => a + b, 0) / count;
    const variance = totals.reduce((a, b) => a + (b - mean) ** 2, 0) / (count - 1);
    const found = await evaluate(model, histogram, data);
    expect(found.images).toBe(count);
    expect(found.bitsPerDim).toBeCloseTo(mean, 6);
    expect(found.standardError).toBeCloseTo(Math.sqrt(variance / count), 6);
    const parts = Object.values(found.parts).reduce((a, b) => a + b);
    expect(parts).toBeCloseTo(mean, 6);
  });

  test('a single image has no standard error', async () => {
    const data = oddImages(1, 1);
    const model = randomModel({ image: { height: 3, width: 5, channels: 1 } });
    expect((await evaluate(model, fitHistogram(data), data)).standardError).toBeNaN();
  });

  test('a class that the model does not know is named', async () => {
    const data = oddImages(1);
    const model = randomModel({ image: { height: 3, width: 5, channels: 1 }, pixels: 'uniform' });
    const noise = new Float32Array(model.dimensions.values);
    const one = { pixels: data.images.subarray(0, 15), noise, labels: [model.nullClass + 1] };
    const map = scoringMap(model.config, fitHistogram(data));
    await expect(scoreTokens(model, map, one)).rejects.toThrow('is none of the 3 classes');
  });

  test('noise is new for each batch and each draw, and draws are averaged', async () => {
    const one = oddImages(1);
    const [images, labels] = [one.images.subarray(0, 15), [0, 0]];
    const twice = imageDataset({ ...one, images: Uint8Array.from([...images, ...images]), labels });
    const model = randomModel({ image: { height: 3, width: 5, channels: 1 }, pixels: 'cdf' });
    const histogram = fitHistogram(one);
    const totals: number[] = [];
    for (const draw of [0, 1]) {
      for await (const { score } of scoreImages(model, histogram, twice, { batch: 1, draw })) {
        totals.push(score.total);
      }
    }
    expect(new Set(totals).size).toBe(4);
    const { bitsPerDim } = await evaluate(model, histogram, twice, { batch: 1, draws: 2 });
    expect(bitsPerDim).toBeCloseTo(totals.reduce((a, b) => a + b, 0) / 4, 6);
  });
});
