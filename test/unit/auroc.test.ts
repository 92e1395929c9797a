import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auroc } from 'farmer';

describe('auroc', () => {
  it('is 1, 0 and ½ where one group is above, below, and the same', () => {
    expect(auroc([1, 2], [3, 4])).toBe(1);
    expect(auroc([3, 4], [1, 2])).toBe(0);
    expect(auroc([1, 2, 2], [1, 2, 2])).toBe(0.5);
  });

  it('is the share of pairs that are in order, ties half', () => {
    const scores = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(scores, scores, (low, high) => {
        const pairs = low.flatMap((a) => high.map((b): number => (b > a ? 1 : b === a ? 0.5 : 0)));
        const share = pairs.reduce((sum, won) => sum + won, 0) / pairs.length;
        expect(auroc(low, high)).toBeCloseTo(share, 12);
      }),
    );
  });

  it('refuses an empty group', () => {
    expect(() => auroc([], [1])).toThrow('no scores');
  });

  it('takes infinite scores, and refuses what has no place in an order', () => {
    expect(auroc([1, -Infinity], [Infinity, Infinity])).toBe(1);
    expect(() => auroc([1, 2], [3, NaN])).toThrow('a score is NaN');
  });
});
