import fc from 'fast-check';
import { philoxUniforms } from '@farmer/tensor';
import { describe, expect, it } from 'vitest';
import { dimensions, fitHistogram, imageDataset, pixelMap, preset } from 'farmer';

/** Images of any size, and a model's configuration for them. */
function setUp(height: number, width: number, channels: 1 | 3, patch: number) {
  const count = 3;
  const uniforms = philoxUniforms(height, width, channels, count * height * width * channels);
  const images = Uint8Array.from(uniforms, (u) => 256 * u * u);
  const labels = [0, 0, 0];
  const data = imageDataset({
    ...{ name: 'noise', images, labels, height, width, channels, classNames: ['a'] },
  });
  const model = { ...preset('tiny').model, image: { height, width, channels }, patch };
  return { count, images, histogram: fitHistogram(data), model };
}

describe('a pixel map of padded images', () => {
  it('gives the pixels back, and a log-det that is the sum of its values', () => {
    const side = fc.integer({ min: 1, max: 7 });
    const channels = fc.constantFrom(1 as const, 3 as const);
    const patches = fc.integer({ min: 1, max: 4 });
    const kinds = fc.constantFrom('cdf' as const, 'uniform' as const);
    fc.assert(
      fc.property(side, side, channels, patches, kinds, (h, w, c, patch, pixels) => {
        const { count, images, histogram, model } = setUp(h, w, c, patch);
        const { values: size, imageValues } = dimensions(model);
        expect(imageValues).toBe(h * w * c);
        const map = pixelMap({ ...model, pixels }, histogram, 0);
        const { values, logDet } = map.forward(images, philoxUniforms(1, 2, 3, count * size));
        expect(values.length).toBe(count * size);
        expect(map.inverse(values)).toEqual(images);
        const each = map.logDets(images, values);
        for (let i = 0; i < count; i++) {
          const sum = each.subarray(i * size, (i + 1) * size).reduce((a, b) => a + b, 0);
          expect(logDet[i]).toBeCloseTo(sum, 8);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('of raw pixels never pads a histogram', () => {
    const { images, histogram, model, count } = setUp(3, 5, 1, 2);
    let read = false;
    const watched = {
      ...histogram,
      get pmf() {
        read = true;
        return histogram.pmf;
      },
    };
    const [raw, cdf] = (['gaussian', 'cdf'] as const).map((pixels) => {
      read = false;
      const noise = new Float32Array(count * 24).fill(0.5);
      pixelMap({ ...model, pixels }, watched, 0.1).forward(images, noise);
      return read;
    });
    expect([raw, cdf]).toEqual([false, true]);
  });

  it('leaves images that the patch divides as they are', () => {
    const { images, histogram, model, count } = setUp(4, 6, 1, 2);
    const noise = philoxUniforms(4, 0, 0, count * 24);
    const [a, b] = [2, 1].map((patch) =>
      pixelMap({ ...model, patch }, histogram, 0).forward(images, noise),
    );
    expect(a).toEqual(b);
  });
});
