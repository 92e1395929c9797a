import { describe, expect, it } from 'vitest';
import { dctMatrix } from 'farmer';

describe.each([
  [1, 4],
  [3, 2],
  [3, 4],
])('dctMatrix for %i planes and patch %i', (channels, patch) => {
  const d = channels * patch * patch;
  const matrix = dctMatrix(channels, patch);
  const row = (r: number) => matrix.subarray(r * d, (r + 1) * d);

  it('is orthonormal', () => {
    for (let a = 0; a < d; a++) {
      for (let b = 0; b < d; b++) {
        const product = row(a).reduce((sum, x, i) => sum + x * row(b)[i]!, 0);
        expect(product).toBeCloseTo(a === b ? 1 : 0, 12);
      }
    }
  });

  it('has the mean of the patch first, luma before chroma', () => {
    for (const x of row(0)) expect(x).toBeCloseTo(1 / Math.sqrt(d), 12);
    if (channels === 1) return;
    const plane = (c: number) => row(1)[c * patch * patch]! * patch;
    expect([plane(0), plane(1), plane(2)].map((x) => x * Math.SQRT2 + 0)).toEqual([
      expect.closeTo(1, 12),
      expect.closeTo(0, 12),
      expect.closeTo(-1, 12),
    ]);
  });

  it('gives grey images no chroma', () => {
    const grey = Float64Array.from({ length: d }, (_, i) => Math.sin(1 + (i % (patch * patch))));
    const spectrum = Array.from({ length: d }, (_, r) =>
      row(r).reduce((sum, x, i) => sum + x * grey[i]!, 0),
    );
    const filled = spectrum.filter((x) => Math.abs(x) > 1e-12).length;
    expect(filled).toBeLessThanOrEqual(patch * patch);
    expect(filled).toBeGreaterThan(patch * patch - 3);
  });
});
