import { expect, test } from 'vitest';
import { gradCheck } from '@farmer/autograd';
import { philoxBits, philoxUniforms, scope, sum, tensor, type Tensor } from '@farmer/tensor';
import {
  Classifier,
  classifyImages,
  ClassifierTrainer,
  imageDataset,
  nearestTrainingImages,
} from 'farmer';
import { readReference } from '../../packages/farmer/cli/classifier-reference.ts';
import { createOutput } from '../../packages/farmer/cli/output.ts';
import { mergeSquares, neighbourhoods } from '../../packages/farmer/src/classifier.ts';
import { describeOnDevices } from '../support/devices.ts';
import { randomizeParameters } from '../support/farmer.ts';

const config = { image: { height: 8, width: 12, channels: 1 }, classes: 3, width: 8, blocks: 2 };
const shape = [2, 4, 6, 3] as const;
const [B, H, W, C] = shape;
const values = philoxUniforms(5, 0, 0, B * H * W * C);
const at = (b: number, y: number, x: number, c: number) =>
  y < 0 || y >= H || x < 0 || x >= W ? 0 : values[((b * H + y) * W + x) * C + c]!;

async function read(body: () => Tensor): Promise<number[]> {
  const result = scope(body);
  const data = Array.from(await result.data());
  result.dispose();
  return data;
}

/** Bright bars: class 0 across, class 1 down, class 2 both. */
function bars(count: number, seed: number) {
  const { height, width } = config.image;
  const words = philoxBits(seed, 0, 0, count);
  const images = new Uint8Array(count * height * width);
  const labels = Array.from({ length: count }, (_, i) => i % 3);
  labels.forEach((label, i) => {
    const [row, column] = [words[i]! % height, (words[i]! >>> 8) % width];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const lit = (label !== 1 && y === row) || (label !== 0 && x === column);
        images[(i * height + y) * width + x] = lit ? 255 : (words[i]! >>> 16) % 40;
      }
    }
  });
  const classNames = ['across', 'down', 'both'];
  return imageDataset({ name: 'bars', images, labels, height, width, channels: 1, classNames });
}

const training = {
  ...{ steps: 90, batch: 30, warmup: 10, peakLearningRate: 5e-3, finalLearningRate: 0.01 },
  ...{ weightDecay: 0.01, clip: 1, augmentation: { shift: 1, mirror: true } },
  betas: [0.9, 0.99] as [number, number],
};

describeOnDevices('the classifier', () => {
  test('gathers 2 × 2 squares and 3 × 3 neighbourhoods', async () => {
    const squares: number[] = [];
    for (let b = 0; b < B; b++)
      for (let y = 0; y < H; y += 2)
        for (let x = 0; x < W; x += 2)
          for (let k = 0; k < 4; k++)
            for (let c = 0; c < C; c++) squares.push(at(b, y + (k >> 1), x + (k & 1), c));
    const around: number[] = [];
    for (let b = 0; b < B; b++)
      for (let y = 0; y < H; y++)
        for (let x = 0; x < W; x++)
          for (let k = 0; k < 9; k++)
            for (let c = 0; c < C; c++)
              around.push(at(b, y + Math.floor(k / 3) - 1, x + (k % 3) - 1, c));
    expect(await read(() => mergeSquares(tensor(values, shape)))).toEqual(squares);
    expect(await read(() => neighbourhoods(tensor(values, shape)))).toEqual(around);
  });

  test('its features depend on the image alone, not on its neighbours in a batch', async () => {
    const classifier = new Classifier(config, 1);
    randomizeParameters(classifier, 2);
    const { images } = bars(7, 4);
    const all = await classifyImages(classifier, images, { batch: 3 });
    const last = await classifyImages(classifier, images.subarray(6 * 96));
    expect(all.features).toHaveLength(7 * config.width);
    expect(all.logits).toHaveLength(7 * config.classes);
    last.features.forEach((x, i) => expect(all.features[6 * config.width + i]).toBeCloseTo(x, 4));
    last.logits.forEach((x, i) => expect(all.logits[6 * config.classes + i]).toBeCloseTo(x, 4));
  });

  test('compares samples with as many training images, and says so where there are fewer', async () => {
    const classifier = new Classifier(config, 1);
    const output = createOutput({ json: true });
    const reference = (samples: number) =>
      readReference(classifier, bars(6, 1), { samples, reference: 2 }, output);
    expect((await reference(5)).features).toHaveLength(5 * config.width);
    await expect(reference(7)).rejects.toThrow('--samples 7 is more than the 6 images of "bars"');
  });

  test('its gradient is that of finite differences', async () => {
    const classifier = new Classifier({ ...config, width: 4, blocks: 1 }, 1);
    randomizeParameters(classifier, 3);
    const images = tensor(philoxUniforms(9, 0, 0, 96), [1, 8, 12, 1]);
    const loss = () => sum(classifier.classify(classifier.features(images)));
    const parameters = [classifier.stem.weight, classifier.blocks[0]!.convolution.weight];
    expect((await gradCheck(loss, parameters)).worst).toBeLessThan(1e-2);
  });

  test('learns', async () => {
    const classifier = new Classifier(config, 1);
    const trainer = new ClassifierTrainer(classifier, bars(300, 1), training, 0);
    trainer.advance();
    const first = await trainer.readMetrics();
    while (trainer.step < training.steps - 20) trainer.advance();
    await trainer.readMetrics();
    while (trainer.step < training.steps) trainer.advance();
    const last = await trainer.readMetrics();
    trainer.dispose();
    expect(first.loss).toBeGreaterThan(0.8);
    expect(last.loss).toBeLessThan(0.3 * first.loss);
    expect(last.skipped).toBe(0);
  });

  test('finds the nearest training image', async () => {
    const size = 96;
    const training = Uint8Array.from(philoxBits(1, 0, 0, 4500 * size), (word) => word & 255);
    const images = Uint8Array.from(philoxBits(2, 0, 0, 5 * size), (word) => word & 255);
    images.set(training.subarray(4321 * size, 4322 * size), 2 * size); // a copy
    const found = await nearestTrainingImages(images, training, size);
    for (let i = 0; i < 5; i++) {
      const distances = Array.from({ length: 4500 }, (_, j) => {
        let squared = 0;
        for (let k = 0; k < size; k++)
          squared += ((images[i * size + k]! - training[j * size + k]!) / 255) ** 2;
        return Math.sqrt(squared);
      });
      expect(found[i]!.distance).toBeCloseTo(Math.min(...distances), 10);
      expect(distances[found[i]!.index]).toBeCloseTo(found[i]!.distance, 10);
    }
    expect(found[2]).toEqual({ index: 4321, distance: 0 });
  });
});
