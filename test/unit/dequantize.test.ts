import { philoxUniforms } from '@farmer/tensor';
import { describe, expect, it } from 'vitest';
import { cdfPixels, fitHistogram, imageDataset, pixelMap, smoothCounts } from 'farmer';
import { bitsPerDim } from '../../packages/farmer/src/likelihood.ts';
import { noiseAt } from '../../packages/farmer/src/trainer.ts';

const [count, height, width] = [4, 3, 5];
const size = height * width;
const images = Uint8Array.from(philoxUniforms(3, 0, 0, count * size), (u) => 256 * u * u);
const histogram = fitHistogram(
  imageDataset({
    ...{ name: 'noise', images, labels: [0, 0, 0, 0], height, width, channels: 1 },
    classNames: ['a'],
  }),
);
const mapOf = (pixels: 'cdf' | 'uniform' | 'gaussian', sigma = 0) =>
  pixelMap({ pixels, patch: 1 }, histogram, sigma);

describe('dequantisation', () => {
  it.each(['cdf', 'uniform'] as const)('%s: the log-det is the slope in the noise', (kind) => {
    const map = mapOf(kind);
    const step = 0.01;
    const noise = Float64Array.from(philoxUniforms(4, 0, 0, count * size), (u) => 0.3 + 0.4 * u);
    const shifted = (by: number) =>
      map.forward(
        images,
        noise.map((u) => u + by),
      ).values;
    const [below, above] = [shifted(-step), shifted(step)];
    const expected = map.logDets(images, map.forward(images, noise).values);
    for (const [i, logDet] of expected.entries()) {
      const slope = (above[i]! - below[i]!) / (2 * step);
      expect(Math.abs(Math.log(slope) - logDet), `value ${i}`).toBeLessThan(5e-3);
    }
  });

  it.each(['cdf', 'uniform'] as const)(
    '%s: bins lie in order, and fill the space between',
    (kind) => {
      const map = mapOf(kind);
      const valueAt = (level: number, u: number) =>
        map.forward(new Uint8Array(size).fill(level), new Float64Array(size).fill(u)).values[7]!;
      for (let level = 0; level < 255; level++) {
        const [end, next] = [valueAt(level, 1 - 2 ** -20), valueAt(level + 1, 0)];
        expect(next).toBeGreaterThanOrEqual(end);
        expect(next - end).toBeLessThan(1e-4);
      }
    },
  );

  it('cdf: the median of levels that are symmetric is 0, whatever their sums are rounded to', () => {
    for (let n = 2; n < 40; n += 2) {
      const counts = new Uint32Array(256);
      counts[9] = counts[246] = n / 2;
      const map = cdfPixels(smoothCounts({ height: 1, width: 1, channels: 1 }, counts));
      expect(map.forward(Uint8Array.of(128), [0]).values[0]).toBeCloseTo(0, 12);
    }
  });

  it.each(['cdf', 'uniform'] as const)(
    '%s: parts of images, and too little noise, are named',
    (kind) => {
      const forward = (values: number, noise: number) => () =>
        mapOf(kind).forward(new Uint8Array(values), new Float64Array(noise));
      expect(forward(size + 1, size + 1)).toThrow(
        `16 pixel values are not whole images of 15 values`,
      );
      expect(forward(size, size - 1)).toThrow('14 numbers of noise for 15 pixel values');
    },
  );

  it('uniform: pixels fill the interval from −1 to 1', () => {
    const { values } = mapOf('uniform').forward(
      new Uint8Array(size).fill(255).fill(0, 0, 1),
      new Float64Array(size).fill(1).fill(0, 0, 1),
    );
    expect([values[0], values[1]]).toEqual([-1, 1]);
  });

  it('gaussian: σ about the middle of each bin', () => {
    const map = mapOf('gaussian', 0.25);
    const noise = Float64Array.from({ length: size }, (_, i) => (i - 7) / 2);
    const { values } = map.forward(new Uint8Array(size).fill(128), noise);
    values.forEach((x, i) => expect(x).toBeCloseTo(1 / 256 + (0.25 * (i - 7)) / 2, 6));
  });

  it('gaussian: σ falls from the first to the second figure over training', () => {
    const training = { noise: [0.1, 0.02] as [number, number], steps: 200 };
    const sigmas = [0, 50, 100, 200].map((step) => noiseAt(training, step));
    const expected = [0.1, 0.06 + 0.04 * Math.SQRT1_2, 0.06, 0.02];
    sigmas.forEach((sigma, i) => expect(sigma).toBeCloseTo(expected[i]!, 12));
  });

  it('costs 8 bits a dimension under a density that is the same for all pixels', () => {
    const { logDet } = mapOf('uniform').forward(images, new Float64Array(count * size));
    // A half on each value's interval from −1 to 1.
    expect(bitsPerDim(size * Math.log(0.5) + logDet[0]!, size)).toBeCloseTo(8, 10);
  });
});
