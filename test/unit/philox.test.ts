import { describe, expect, test } from 'vitest';
import {
  philoxBits,
  philoxIntegers,
  philoxNormals,
  philoxPermutation,
  philoxUniforms,
} from '@farmer/tensor';
import { philox4x32 } from '../../packages/tensor/src/random/philox.ts';
import { distanceToNormal, distanceToUniform, moments } from '../support/statistics.ts';

const count = 200_000;
// Kolmogorov-Smirnov: a true sample exceeds 1.95/√n once in 1000 times; the seeds here are fixed.
const critical = 1.95 / Math.sqrt(count);

describe('philox4x32', () => {
  // The known-answer vectors published with Random123 for philox4x32, 10 rounds.
  test.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      expected: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      expected: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      expected: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('gives the published words for $counter', ({ counter, key, expected }) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });

  test('counts (block, call, step low, step high) under the two words of the seed', () => {
    const [seed, step] = [0x123456789abcdef0n, 0x0fedcba987654321n];
    const words = philoxBits(seed, step, 7, 12);
    const block = philox4x32([2, 7, 0x87654321, 0x0fedcba9], [0x9abcdef0, 0x12345678]);
    expect([...words.subarray(8)]).toEqual(block);
    expect([...philoxBits(seed, step, 7, 5)]).toEqual([...words.subarray(0, 5)]);
  });

  test('refuses a seed that a number cannot hold exactly', () => {
    expect(() => philoxBits(2 ** 60, 0, 0, 1)).toThrow(/seed .* bigint/);
    expect(() => philoxBits(0.5, 0, 0, 1)).toThrow(RangeError);
  });
});

describe('distributions', () => {
  test('uniforms have the uniform mean, variance and distribution', () => {
    const values = philoxUniforms(1, 2, 3, count);
    const { mean, variance } = moments(values);
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(1e-3);
    expect(distanceToUniform(values)).toBeLessThan(critical);
    expect(Math.max(...values.subarray(0, 1e5))).toBeLessThan(1);
  });

  test('normals have the normal moments and distribution, the two of a pair uncorrelated', () => {
    const values = philoxNormals(4, 5, 6, count);
    const { mean, variance, kurtosis } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(4 * Math.sqrt(24 / count));
    expect(distanceToNormal(values)).toBeLessThan(critical);
    let product = 0;
    for (let i = 0; i < count; i += 2) product += values[i]! * values[i + 1]!;
    expect(Math.abs(product / (count / 2))).toBeLessThan(4 / Math.sqrt(count / 2));
  });

  test('an odd count gives the first of the longer sequence', () => {
    expect([...philoxNormals(1, 0, 0, 7)]).toEqual([...philoxNormals(1, 0, 0, 9).subarray(0, 7)]);
  });

  test('neighbouring steps, calls and seeds give unrelated numbers', () => {
    const base = philoxNormals(1, 1, 1, 20_000);
    for (const other of [
      philoxNormals(2, 1, 1, 20_000),
      philoxNormals(1, 2, 1, 20_000),
      philoxNormals(1, 1, 2, 20_000),
    ]) {
      const correlation = base.reduce((sum, value, i) => sum + value * other[i]!, 0) / base.length;
      expect(Math.abs(correlation)).toBeLessThan(4 / Math.sqrt(base.length));
    }
  });

  test('integers are equally likely', () => {
    const bins = new Float64Array(10);
    for (const value of philoxIntegers(9, 0, 0, count, 10)) bins[value]!++;
    const expected = count / 10;
    const chiSquare = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(27.9); // 9 degrees of freedom, 1 in 1000
  });
});

describe('philoxPermutation', () => {
  test.each([0, 1, 2, 1000])('holds each of %i numbers once', (n) => {
    expect([...philoxPermutation(n, 3, 0)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: n }, (_, i) => i),
    );
  });

  test('repeats for a seed and stream, and differs for others', () => {
    const order = [...philoxPermutation(100, 3, 1)];
    expect([...philoxPermutation(100, 3, 1)]).toEqual(order);
    expect([...philoxPermutation(100, 3, 2)]).not.toEqual(order);
    expect([...philoxPermutation(100, 4, 1)]).not.toEqual(order);
  });

  test('gives each of the 24 orders of 4 equally often', () => {
    const seen = new Map<string, number>();
    const draws = 24_000;
    for (let stream = 0; stream < draws; stream++) {
      const order = philoxPermutation(4, 11, stream).join();
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    const chiSquare = [...seen.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(49.7); // 23 degrees of freedom, 1 in 1000
  });
});
