import { describe, expect, it } from 'vitest';
import { normalTail, normalTailQuantile } from '../../packages/farmer/src/normal.ts';

describe('normalTail', () => {
  it('is what tables say, on both sides of the change of method', () => {
    const table = [
      [0, 0.5],
      [1, 0.15865525393145705],
      [-1.96, 0.024997895148220435],
      [2.4999999999, 0.006209665327530177],
      [2.5, 0.006209665325776132],
      [5, 2.866515718791939e-7],
      [10, 7.619853024160527e-24],
      [37, 5.725571222524576e-300],
    ];
    for (const [y, p] of table) expect(Math.abs(normalTail(y!) / p! - 1)).toBeLessThan(1e-11);
  });
});

describe('normalTailQuantile', () => {
  it('inverts the tail probability from ½ down to 1e-300', () => {
    for (let exponent = -300; exponent <= 0; exponent += 0.037) {
      const p = 0.5 * 10 ** exponent;
      const y = normalTailQuantile(p);
      // d log p = -y² d log y for large y: the error that float64's own rounding of y makes
      expect(Math.abs(normalTail(y) / p - 1)).toBeLessThan(1e-13 * Math.max(1, y * y));
    }
  });

  it('gives 0 for ½ and refuses what is no tail probability', () => {
    expect(normalTailQuantile(0.5)).toBe(0);
    for (const p of [0, -1, 0.6, NaN])
      expect(() => normalTailQuantile(p)).toThrow('outside (0, ½]');
  });
});
