import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sequentialBatches, shuffledBatches } from '../../packages/farmer/src/data/batches.ts';
import { hashedOrder } from './support/shuffle.ts';

const sizes = { count: fc.integer({ min: 1, max: 50 }), batch: fc.integer({ min: 1, max: 60 }) };

describe('shuffledBatches', () => {
  it('lay the epochs end to end: every image once an epoch, in the given order', () => {
    fc.assert(
      fc.property(sizes.count, sizes.batch, (count, batch) => {
        const { batchAt } = shuffledBatches(count, batch, hashedOrder);
        const steps = Math.ceil((3 * count) / batch);
        const stream = Array.from({ length: steps }, (_, step) => [...batchAt(step)]).flat();
        const epochs = [0, 1, 2].flatMap((epoch) => [...hashedOrder(count, epoch)]);
        expect(stream.slice(0, 3 * count)).toEqual(epochs);
      }),
    );
  });

  it('resume: a batch depends on its step alone, not on those asked for before', () => {
    fc.assert(
      fc.property(sizes.count, sizes.batch, fc.array(fc.nat(500)), (count, batch, steps) => {
        const used = shuffledBatches(count, batch, hashedOrder);
        for (const step of steps) {
          const fresh = shuffledBatches(count, batch, hashedOrder);
          expect(used.batchAt(step)).toEqual(fresh.batchAt(step));
          expect(fresh.batchAt(step).length).toBe(batch);
        }
      }),
    );
  });

  it('ask for one permutation an epoch', () => {
    const asked: number[] = [];
    const { batchAt } = shuffledBatches(10, 4, (n, epoch) => {
      asked.push(epoch);
      return hashedOrder(n, epoch);
    });
    for (let step = 0; step < 10; step++) batchAt(step);
    expect(asked).toEqual([0, 1, 2, 3]);
  });

  it('refuse sizes, steps and orders that make no sense', () => {
    expect(() => shuffledBatches(0, 4, hashedOrder)).toThrow(/count is 0/);
    expect(() => shuffledBatches(4, 1.5, hashedOrder)).toThrow(/batchSize is 1.5/);
    expect(() => shuffledBatches(4, 2, hashedOrder).batchAt(-1)).toThrow(/step -1/);
    const repeating = () => Uint32Array.of(0, 1, 1, 3);
    expect(() => shuffledBatches(4, 2, repeating).batchAt(0)).toThrow(/do not cover 0 … 3/);
  });
});

it('sequentialBatches give every index once, in order, the last batch short', () => {
  fc.assert(
    fc.property(sizes.count, sizes.batch, (count, batch) => {
      const batches = [...sequentialBatches(count, batch)].map((indices) => [...indices]);
      expect(batches.flat()).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(batches.slice(0, -1).every((indices) => indices.length === batch)).toBe(true);
    }),
  );
});
