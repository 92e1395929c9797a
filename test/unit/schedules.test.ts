import { describe, expect, test } from 'vitest';
import { constant, cosine, linear } from '@farmer/nn';

describe('schedules', () => {
  const options = { peak: 1e-3, final: 1e-5, warmup: 10, total: 110 };

  test('rise linearly to the peak during warm-up', () => {
    for (const schedule of [cosine(options), linear(options), constant(options)]) {
      expect(schedule(0)).toBeCloseTo(1e-4, 12);
      expect(schedule(4)).toBeCloseTo(5e-4, 12);
      expect(schedule(9)).toBeCloseTo(1e-3, 12);
      expect(schedule(10)).toBeCloseTo(1e-3, 12);
    }
  });

  test('cosine: halfway is the mean of peak and final, a quarter follows the cosine', () => {
    expect(cosine(options)(60)).toBeCloseTo((1e-3 + 1e-5) / 2, 12);
    const quarter = 1e-5 + (1e-3 - 1e-5) * 0.5 * (1 + Math.SQRT1_2);
    expect(cosine(options)(35)).toBeCloseTo(quarter, 12);
  });

  test('linear: falls in a straight line', () => {
    expect(linear(options)(35)).toBeCloseTo(1e-3 - 0.25 * (1e-3 - 1e-5), 12);
  });

  test('end at the final value and stay there', () => {
    for (const schedule of [cosine(options), linear(options)]) {
      expect(schedule(110)).toBeCloseTo(1e-5, 15);
      expect(schedule(5000)).toBeCloseTo(1e-5, 15);
    }
    expect(constant({ peak: 0.5 })(123)).toBe(0.5);
  });

  test('refuse a warm-up that outlasts the run', () => {
    expect(() => cosine({ ...options, total: 10 })).toThrow(
      'schedule: total 10 must be greater than warmup 10',
    );
  });
});
