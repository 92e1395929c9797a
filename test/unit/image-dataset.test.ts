import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imagesAt, imageDataset } from '../../packages/farmer/src/data/image-dataset.ts';
import { cropImages, padImages, patchPadding } from '../../packages/farmer/src/data/padding.ts';
import { boxScale, cropToAspect, toRgb } from '../../packages/farmer/src/data/pixels.ts';
import { heldOutKeys, subset } from '../../packages/farmer/src/data/split.ts';

/** `count` grey images of 1 × 2 whose pixels are 2i and 2i + 1, labels 0, 1, 2, 0, 1, 2, … */
const numbered = (count: number, classNames = ['a', 'b', 'c']) =>
  imageDataset({
    name: 'numbered',
    images: Uint8Array.from({ length: 2 * count }, (_, i) => i),
    labels: Array.from({ length: count }, (_, i) => i % 3),
    height: 1,
    width: 2,
    channels: 1,
    classNames,
  });

describe('imageDataset', () => {
  it('keeps labels in 16 bits from 257 classes on', () => {
    const names = (n: number) => Array.from({ length: n }, (_, i) => `${i}`);
    expect(numbered(3, names(256)).labels).toBeInstanceOf(Uint8Array);
    expect(numbered(3, names(257)).labels).toBeInstanceOf(Uint16Array);
    expect(imagesAt(numbered(3, names(257)), [2]).labels).toEqual(Uint16Array.of(2));
  });

  it('refuses parts that disagree, naming the dataset', () => {
    const parts = numbered(3);
    expect(() => imageDataset({ ...parts, labels: [] })).toThrow('dataset "numbered": it holds no');
    expect(() => imageDataset({ ...parts, height: 2 })).toThrow(/take 12 bytes, but there are 6/);
    expect(() => imageDataset({ ...parts, labels: [0, 3, 0] })).toThrow(/image 1 has label 3/);
    expect(() => imageDataset({ ...parts, labels: [0, 1, -1] })).toThrow(/image 2 has label -1/);
  });

  it('gathers in the order asked, and nothing outside', () => {
    const { images, labels } = imagesAt(numbered(5), [4, 0, 4]);
    expect([...images]).toEqual([8, 9, 0, 1, 8, 9]);
    expect([...labels]).toEqual([1, 0, 1]);
    expect(() => imagesAt(numbered(5), [5])).toThrow(/has 5 images, none at 5/);
    const fewer = { ...numbered(5), classes: 2 };
    expect(() => imagesAt(fewer, [0, 2])).toThrow(/image 2 has label 2, but there are 2 classes/);
  });
});

describe('splits', () => {
  it('subset keeps labels with their images', () => {
    const { images, labels } = subset(numbered(9), [5, 6]);
    expect([...images]).toEqual([10, 11, 12, 13]);
    expect([...labels]).toEqual([2, 0]);
  });

  it('heldOutKeys do not depend on order, and leave both sides something', () => {
    const keys = fc.uniqueArray(fc.string(), { minLength: 2 });
    fc.assert(
      fc.property(keys, fc.double({ min: 0, max: 1, noNaN: true }), (names, fraction) => {
        const held = heldOutKeys(names, fraction);
        expect(heldOutKeys([...names].reverse(), fraction)).toEqual(held);
        const exact = Math.round(names.length * fraction);
        expect(held.size).toBe(Math.min(names.length - 1, Math.max(1, exact)));
      }),
    );
    expect(heldOutKeys(['alone'], 0.5).size).toBe(0);
  });

  it('heldOutKeys spread over similar names', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `image-${String(i).padStart(4, '0')}.png`);
    const held = heldOutKeys(names, 0.1);
    for (let part = 0; part < 4; part++) {
      const inPart = names.slice(250 * part, 250 * (part + 1)).filter((name) => held.has(name));
      expect(inPart.length).toBeGreaterThan(10);
      expect(inPart.length).toBeLessThan(45);
    }
  });
});

describe('padding', () => {
  it('is the least that makes both sides multiples of the patch', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.integer({ min: 1, max: 9 }), (h, w, patch) => {
        const { top, bottom, left, right } = patchPadding(h, w, patch);
        expect((h + top + bottom) % patch).toBe(0);
        expect((w + left + right) % patch).toBe(0);
        expect(Math.max(top + bottom, left + right)).toBeLessThan(patch);
        expect([0, 1]).toContain(bottom - top);
        expect([0, 1]).toContain(right - left);
      }),
    );
  });

  it('repeats the edge pixels, each channel its own', () => {
    const layout = { height: 1, width: 2, depth: 3 };
    const padding = patchPadding(1, 2, 3);
    const padded = padImages(Uint8Array.of(1, 2, 3, 4, 5, 6), layout, padding);
    const row = [1, 2, 3, 4, 5, 6, 4, 5, 6];
    expect([...padded]).toEqual([...row, ...row, ...row]);
  });

  it('is undone by cropping', () => {
    const side = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(side, side, side, fc.constantFrom(1, 3), (height, width, patch, depth) => {
        const images = Uint8Array.from({ length: 2 * height * width * depth }, (_, i) => i * 7);
        const layout = { height, width, depth };
        const padding = patchPadding(height, width, patch);
        expect(cropImages(padImages(images, layout, padding), layout, padding)).toEqual(images);
      }),
    );
  });
});

describe('pixels', () => {
  const image = (data: number[], height: number, width: number, channels = 1) => ({
    data: Uint8Array.from(data),
    height,
    width,
    channels,
  });

  it('boxScale averages whole boxes and shares of pixels', () => {
    expect([...boxScale(image([0, 10, 20, 30], 2, 2), 1, 1).data]).toEqual([15]);
    // Thirds: the middle of three new pixels from two covers half of each.
    expect([...boxScale(image([0, 90], 1, 2), 1, 3).data]).toEqual([0, 45, 90]);
    expect([...boxScale(image([0, 60, 90], 1, 3), 1, 2).data]).toEqual([20, 80]);
    expect([...boxScale(image([0, 1, 100, 201], 2, 1, 2), 1, 1).data]).toEqual([50, 101]);
  });

  it('boxScale keeps constant images, and every image at its own size', () => {
    const side = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (h, w, newH, newW, value) => {
        const flat = image(new Array<number>(h * w).fill(value), h, w);
        expect(boxScale(flat, newH, newW).data.every((v) => v === value)).toBe(true);
        const ramp = image(
          Array.from({ length: h * w }, (_, i) => (7 * i) % 256),
          h,
          w,
        );
        expect(boxScale(ramp, h, w)).toEqual(ramp);
      }),
    );
  });

  it('cropToAspect takes the centre', () => {
    const cropped = cropToAspect(image([1, 2, 3, 4, 5, 6, 7, 8], 2, 4), 1, 1);
    expect(cropped).toEqual(image([2, 3, 6, 7], 2, 2));
    expect(cropToAspect(image([1, 2, 3, 4], 4, 1), 10, 10)).toEqual(image([2], 1, 1));
  });

  it('toRgb repeats grey', () => {
    expect(toRgb(image([1, 2], 1, 2))).toEqual(image([1, 1, 1, 2, 2, 2], 1, 2, 3));
  });
});
