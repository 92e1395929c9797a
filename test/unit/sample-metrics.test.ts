import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracy } from '../../packages/farmer/src/metrics/class-accuracy.ts';
import {
  fitGaussian,
  frechetDistance,
  type Gaussian,
} from '../../packages/farmer/src/metrics/frechet.ts';
import { inceptionScore } from '../../packages/farmer/src/metrics/inception-score.ts';
import { memorisation, quantile } from '../../packages/farmer/src/metrics/memorisation.ts';
import { precisionRecall } from '../../packages/farmer/src/metrics/precision-recall.ts';
import { measureSamples, referenceOf } from '../../packages/farmer/src/metrics/sample-metrics.ts';
import { symmetricEigen } from '../../packages/farmer/src/metrics/symmetric-eigen.ts';

type Rows = number[][];

const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const column = (m: Rows, j: number) => m.map((row) => row[j]!);
const times = (a: Rows, b: Rows): Rows => a.map((row) => b.map((_, j) => dot(row, column(b, j))));
const transposed = (m: Rows): Rows => m.map((_, j) => column(m, j));
const traceOf = (m: Rows) => m.reduce((sum, row, i) => sum + row[i]!, 0);
const flat = (m: Rows) => Float64Array.from(m.flat());
const gaussian = (covariance: Rows, mean: number[] = covariance.map(() => 0)): Gaussian => ({
  mean: Float64Array.from(mean),
  covariance: flat(covariance),
});

const value = fc.double({ min: -3, max: 3, noNaN: true });
const square = (n: number) =>
  fc.array(fc.array(value, { minLength: n, maxLength: n }), { minLength: n, maxLength: n });
/** A Aᵀ + I / 10: symmetric, positive definite. */
const positive = (n: number) =>
  square(n).map((a) => {
    const product = times(a, transposed(a));
    return product.map((row, i) => row.map((x, j) => x + (i === j ? 0.1 : 0)));
  });
const sized = <T>(make: (n: number) => fc.Arbitrary<T>) =>
  fc.integer({ min: 1, max: 7 }).chain(make);

describe('symmetricEigen', () => {
  it('gives orthonormal v with A v = λ v', () => {
    fc.assert(
      fc.property(sized(square), (a) => {
        const n = a.length;
        const m = a.map((row, i) => row.map((x, j) => x + a[j]![i]!));
        const { values, vectors } = symmetricEigen(flat(m), n);
        for (let k = 0; k < n; k++) {
          const v = [...vectors.subarray(k * n, (k + 1) * n)];
          m.forEach((row, i) => expect(dot(row, v)).toBeCloseTo(values[k]! * v[i]!, 9));
          for (let l = 0; l < n; l++) {
            const other = [...vectors.subarray(l * n, (l + 1) * n)];
            expect(dot(v, other)).toBeCloseTo(l === k ? 1 : 0, 10);
          }
        }
      }),
    );
  });

  it('converges for repeated and vanishing eigenvalues, in 128 dimensions too', () => {
    const n = 128;
    const ones = new Float64Array(n * n).fill(1);
    const { values } = symmetricEigen(ones, n);
    const sorted = values.sort();
    expect(sorted[n - 1]).toBeCloseTo(n, 9);
    expect(Math.abs(sorted[0]!) + Math.abs(sorted[n - 2]!)).toBeLessThan(1e-9);
    expect([...symmetricEigen(new Float64Array(4), 2).values]).toEqual([0, 0]);
  });

  it('refuses what is not finite', () => {
    expect(() => symmetricEigen(Float64Array.of(1, NaN, NaN, 1), 2)).toThrow(/not finite/);
  });
});

describe('frechetDistance', () => {
  it('is ‖μ₁ − μ₂‖² + Σ (√a − √b)² for diagonal covariances', () => {
    const spread = fc.double({ min: 0, max: 9, noNaN: true });
    const axes = fc.array(fc.tuple(value, value, spread, spread), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(axes, (rows) => {
        const diagonal = (of: number[]) => of.map((x, i) => of.map((_, j) => (i === j ? x : 0)));
        const a = gaussian(diagonal(column(rows, 2)), column(rows, 0));
        const b = gaussian(diagonal(column(rows, 3)), column(rows, 1));
        const expected = rows.reduce(
          (sum, [m, n, v, w]) => sum + (m - n) ** 2 + (Math.sqrt(v) - Math.sqrt(w)) ** 2,
          0,
        );
        expect(frechetDistance(a, b)).toBeCloseTo(expected, 8);
      }),
    );
  });

  it('has the closed form of 2 × 2 matrices, which need not commute', () => {
    const determinant = (m: Rows) => m[0]![0]! * m[1]![1]! - m[0]![1]! * m[1]![0]!;
    fc.assert(
      fc.property(positive(2), positive(2), (a, b) => {
        // tr (AB)^½ = √(tr AB + 2 √det AB)
        const product = times(a, b);
        const root = Math.sqrt(traceOf(product) + 2 * Math.sqrt(determinant(a) * determinant(b)));
        const expected = traceOf(a) + traceOf(b) - 2 * root;
        expect(frechetDistance(gaussian(a), gaussian(b))).toBeCloseTo(expected, 6);
      }),
    );
  });

  it('is the cost of a known optimal map, N(0, C) to N(0, T C T) with T positive definite', () => {
    const pairs = sized((n) => fc.tuple(positive(n), positive(n)));
    fc.assert(
      fc.property(pairs, ([c, t]) => {
        const moved = times(times(t, c), t);
        // E‖Tx − x‖² = tr C + tr TCT − 2 tr TC
        const expected = traceOf(c) + traceOf(moved) - 2 * traceOf(times(t, c));
        const scale = traceOf(c) + traceOf(moved);
        const found = frechetDistance(gaussian(c), gaussian(moved));
        expect(Math.abs(found - expected)).toBeLessThan(1e-7 * scale);
      }),
    );
  });

  it('is zero from a Gaussian to itself, and symmetric', () => {
    const pairs = sized((n) => fc.tuple(positive(n), positive(n)));
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const scale = traceOf(a) + traceOf(b);
        expect(frechetDistance(gaussian(a), gaussian(a))).toBeLessThan(1e-7 * scale);
        const there = frechetDistance(gaussian(a), gaussian(b));
        const back = frechetDistance(gaussian(b), gaussian(a));
        expect(Math.abs(there - back)).toBeLessThan(1e-7 * scale);
      }),
    );
  });

  it('refuses Gaussians of different dimensions', () => {
    expect(() =>
      frechetDistance(
        gaussian([[1]]),
        gaussian([
          [1, 0],
          [0, 1],
        ]),
      ),
    ).toThrow(/1 and 2/);
  });
});

describe('fitGaussian', () => {
  it('gives mean and unbiased covariance', () => {
    const { mean, covariance } = fitGaussian([1, 2, 3, 6, 5, 1], 2);
    expect([...mean]).toEqual([3, 3]);
    [4, -1, -1, 7].forEach((expected, i) => expect(covariance[i]).toBeCloseTo(expected, 12));
  });

  it('needs two images', () => {
    expect(() => fitGaussian([1, 2], 2)).toThrow(/at least 2 images, got 1/);
  });
});

describe('inceptionScore', () => {
  it('is 1 for equal answers and the number of classes for sure, evenly spread ones', () => {
    expect(inceptionScore([1, 2, 3, 1, 2, 3], 3)).toBeCloseTo(1, 12);
    expect(inceptionScore([900, 0, 0, 0, 900, 0, 0, 0, 900], 3)).toBeCloseTo(3, 12);
  });

  it('equals exp of the mean KL divergence, whatever is added to an image’s logits', () => {
    const image = fc.tuple(fc.array(value, { minLength: 4, maxLength: 4 }), value);
    fc.assert(
      fc.property(fc.array(image, { minLength: 1, maxLength: 9 }), (images) => {
        const p = images.map(([logits]) => {
          const weights = logits.map(Math.exp);
          return weights.map((w) => w / weights.reduce((a, b) => a + b));
        });
        const mean = [0, 1, 2, 3].map((k) => column(p, k).reduce((a, b) => a + b) / p.length);
        const kl = p.map((row) => row.reduce((sum, x, k) => sum + x * Math.log(x / mean[k]!), 0));
        const expected = Math.exp(kl.reduce((a, b) => a + b) / p.length);
        const shifted = images.flatMap(([logits, shift]) => logits.map((x) => x + 20 * shift));
        expect(inceptionScore(shifted, 4)).toBeCloseTo(expected, 9);
      }),
    );
  });
});

describe('precisionRecall', () => {
  const points = fc.array(fc.tuple(value, value), { minLength: 5, maxLength: 14 });
  const packed = (rows: Rows) => Float32Array.from(rows.flat());
  /** The definition, with all distances sorted. */
  const inside = (queries: Rows, manifold: Rows, k: number) => {
    const rounded = (rows: Rows) => rows.map((row) => row.map(Math.fround));
    const [q, m] = [rounded(queries), rounded(manifold)];
    const squared = (a: number[], b: number[]) => a.reduce((s, x, i) => s + (x - b[i]!) ** 2, 0);
    const radii = m.map(
      (a, i) =>
        m
          .filter((_, j) => j !== i)
          .map((b) => squared(a, b))
          .sort((x, y) => x - y)[k - 1]!,
    );
    return q.filter((a) => m.some((b, j) => squared(a, b) <= radii[j]!)).length / q.length;
  };

  it('follows the definition', () => {
    fc.assert(
      fc.property(points, points, fc.integer({ min: 1, max: 4 }), (real, generated, k) => {
        expect(precisionRecall(packed(real), packed(generated), 2, k)).toEqual({
          precision: inside(generated, real, k),
          recall: inside(real, generated, k),
        });
      }),
    );
  });

  it('tells few modes, drawn well, from all modes drawn badly', () => {
    // Two clusters of real images; one of generated images.
    const cluster = (centre: number) => Array.from({ length: 10 }, (_, i) => [centre, i / 10]);
    const real = packed([...cluster(0), ...cluster(50)]);
    const oneMode = packed([...cluster(0), ...cluster(0.01)]);
    expect(precisionRecall(real, oneMode, 2)).toEqual({ precision: 1, recall: 0.5 });
    const everywhere = packed(Array.from({ length: 20 }, (_, i) => [i * 10 - 75, 0]));
    const { precision, recall } = precisionRecall(real, everywhere, 2);
    expect(recall).toBe(1);
    expect(precision).toBeLessThan(0.2);
    expect(precisionRecall(real, real, 2)).toEqual({ precision: 1, recall: 1 });
  });

  it('needs more images than neighbours', () => {
    expect(() => precisionRecall(new Float32Array(6), new Float32Array(6), 2)).toThrow(/3 images/);
  });
});

describe('memorisation', () => {
  it('interpolates quantiles', () => {
    expect([0, 0.125, 0.5, 1].map((q) => quantile([3, 1, 2, 9, 5], q))).toEqual([1, 1.5, 3, 9]);
  });

  it('counts copies, and images nearer than 99 % of the test images', () => {
    const test = Array.from({ length: 101 }, (_, i) => 1 + i); // 1 %: 2
    const { copies, suspicious, quantiles, testQuantiles } = memorisation([0, 0, 1.5, 40], test);
    expect({ copies, suspicious }).toEqual({ copies: 2, suspicious: 0.75 });
    expect([quantiles[0], testQuantiles[0], testQuantiles[4]]).toEqual([0, 1, 51]);
    expect(memorisation(test, test).suspicious).toBeCloseTo(0.01, 2);
  });
});

describe('accuracy', () => {
  it('counts by class, ties going to the first', () => {
    const logits = [2, 1, 0, 3, 1, 1, 0, 5];
    expect(accuracy(logits, [0, 0, 1, 1], 2)).toEqual({ share: 0.5, byClass: [0.5, 0.5] });
  });
});

describe('measureSamples', () => {
  it('finds training images perfect, and compares as many of them as there are samples', () => {
    const features = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i * i));
    const logits = Float32Array.from({ length: 40 }, (_, i) => (i % 2 === (i >> 1) % 2 ? 90 : 0));
    const labels = Array.from({ length: 20 }, (_, i) => i % 2);
    const classified = { features, logits, count: 20 };
    const metrics = measureSamples(classified, labels, referenceOf(classified, 2));
    expect(metrics.frechetDistance).toBeLessThan(1e-9);
    expect(metrics.inceptionScore).toBeCloseTo(2, 9);
    expect(metrics).toMatchObject({ precision: 1, recall: 1, classAccuracy: 1 });
    const fewer = { features: features.slice(0, 10), logits, count: 5 };
    expect(() => measureSamples(classified, labels, referenceOf(fewer, 2))).toThrow(
      /20 images need/,
    );
  });
});
