import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classPosterior } from 'farmer';

const bits = fc.array(fc.double({ min: -5, max: 10, noNaN: true }), {
  minLength: 1,
  maxLength: 12,
});

test('is a distribution whose odds are ratios of likelihoods', () => {
  fc.assert(
    fc.property(bits, fc.integer({ min: 1, max: 784 }), (bitsPerDim, values) => {
      const posterior = classPosterior(bitsPerDim, values);
      expect(posterior.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      const best = posterior.indexOf(Math.max(...posterior));
      posterior.forEach((p, i) => {
        const odds = 2 ** ((bitsPerDim[best]! - bitsPerDim[i]!) * values);
        expect(p / posterior[best]!).toBeCloseTo(odds, 10);
      });
    }),
  );
});

test('of one image under two classes, by hand', () => {
  // 3 bits apart: odds of 8 to 1.
  expect([...classPosterior([1, 1.5], 6)]).toEqual([8 / 9, 1 / 9]);
});
