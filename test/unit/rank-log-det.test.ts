import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rankByLogDet, reorderImages } from '../../packages/farmer/cli/rank-log-det.ts';

test('ranks images within their class, the largest log-determinant first', () => {
  expect(rankByLogDet([2, 2, 2, 0, 0], [1, 3, 2, -5, 7])).toEqual([1, 2, 0, 4, 3]);
});

test('reordering moves whole images', () => {
  const images = Uint8Array.of(0, 1, 2, 3, 4, 5);
  expect([...reorderImages(images, [2, 0, 1])]).toEqual([4, 5, 0, 1, 2, 3]);
});

test('every image keeps its place in its class’s row, and all appear', () => {
  const image = fc.tuple(fc.nat(3), fc.double({ noNaN: true }));
  fc.assert(
    fc.property(fc.array(image), (drawn) => {
      const sorted = [...drawn].sort(([a], [b]) => a - b);
      const [labels, logDets] = [sorted.map(([label]) => label), sorted.map(([, value]) => value)];
      const order = rankByLogDet(labels, logDets);
      expect([...order].sort((a, b) => a - b)).toEqual(labels.map((_, i) => i));
      expect(order.map((i) => labels[i])).toEqual(labels);
      order.forEach((i, k) => {
        if (k > 0 && labels[order[k - 1]!] === labels[i]) {
          expect(logDets[order[k - 1]!]).toBeGreaterThanOrEqual(logDets[i]!);
        }
      });
    }),
  );
});
