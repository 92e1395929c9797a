import { describe, expect, it } from 'vitest';
import { loadMnist } from '../../packages/farmer/cli/data/mnist.ts';
import { imageDataset } from '../../packages/farmer/src/data/image-dataset.ts';
import { fitHistogram, histogramBitsPerDim } from '../../packages/farmer/src/histogram.ts';

const grey = (images: number[], width: number) =>
  imageDataset({
    name: 'tiny',
    images: Uint8Array.from(images),
    labels: new Array<number>(images.length / width).fill(0),
    height: 1,
    width,
    channels: 1,
    classNames: ['only'],
  });

describe('a small histogram', () => {
  // Two images of two pixels: (0, 0) and (0, 255). Levels over all pixels: 0 thrice, 255 once.
  const train = grey([0, 0, 0, 255], 2);
  const histogram = fitHistogram(train);

  it('is (counts + 50 · global) / (n + 50)', () => {
    const global = (count: number) => (count + 1) / (4 + 256);
    expect(histogram.pmf[0]).toBeCloseTo((2 + 50 * global(3)) / 52, 14);
    expect(histogram.pmf[255]).toBeCloseTo((0 + 50 * global(1)) / 52, 14);
    expect(histogram.pmf[256 + 255]).toBeCloseTo((1 + 50 * global(1)) / 52, 14);
    expect(histogram.pmf[256 + 17]).toBeCloseTo((0 + 50 * global(0)) / 52, 14);
  });

  it('is not fitted to images so large that it would fill the memory', () => {
    expect(() => fitHistogram(grey(new Array<number>(2 ** 18 + 1).fill(0), 2 ** 18 + 1))).toThrow(
      /"tiny" has images of 1 × 262145.*more than 262144 values each.*--image-size/,
    );
  });

  it('has rows that sum to 1 and no zero', () => {
    for (const pixel of [0, 1]) {
      const row = histogram.pmf.subarray(256 * pixel, 256 * (pixel + 1));
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 13);
      expect(Math.min(...row)).toBeGreaterThan(0);
    }
  });

  it('scores images by the mean of −log2 pmf', () => {
    const p = (pixel: number, level: number) => Math.log2(histogram.pmf[256 * pixel + level]!);
    const expected = -(p(0, 0) + p(1, 9) + p(0, 255) + p(1, 255)) / 4;
    expect(histogramBitsPerDim(histogram, grey([0, 9, 255, 255], 2))).toBeCloseTo(expected, 13);
  });

  it('costs 8 bits a pixel when it knows nothing', () => {
    const all = grey(
      Array.from({ length: 256 }, (_, i) => i),
      1,
    );
    expect(histogramBitsPerDim(fitHistogram(all), all)).toBeCloseTo(8, 12);
  });

  it('refuses other shapes', () => {
    expect(() => histogramBitsPerDim(histogram, grey([1, 2, 3], 3))).toThrow(
      /images of 1 × 3 × 1, but the histogram was fitted to 1 × 2 × 1/,
    );
  });
});

describe('MNIST', () => {
  it('has its known sizes and label counts, and costs 1.689 bits per dimension', async () => {
    const [train, test] = await Promise.all([loadMnist('train'), loadMnist('test')]);
    expect(train).toMatchObject({ count: 60000, height: 28, width: 28, channels: 1, classes: 10 });
    expect(test).toMatchObject({ count: 10000, height: 28, width: 28, channels: 1, classes: 10 });
    const labelCounts = ({ labels }: typeof train) => {
      const counts = new Array<number>(10).fill(0);
      for (const label of labels) counts[label]! += 1;
      return counts;
    };
    expect(labelCounts(train)).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
    expect(labelCounts(test)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);

    const histogram = fitHistogram(train);
    expect(histogramBitsPerDim(histogram, train)).toBeCloseTo(1.68896, 5);
    expect(histogramBitsPerDim(histogram, test)).toBeCloseTo(1.68887, 5);
  });
});
