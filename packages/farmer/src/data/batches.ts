/**
 * The order of n items in an epoch: a pure function of (n, epoch), such as a counter-based random
 * permutation with the seed bound.
 */
export type Permutation = (n: number, epoch: number) => Uint32Array;

export type Batches = {
  /** The dataset indices of step 0, 1, 2, …; any step, in any order. */
  batchAt(step: number): Uint32Array;
};

/**
 * Endless shuffled batches of one size. Epochs are laid end to end and cut every `batchSize` items,
 * so a batch may span two epochs, every image comes once an epoch, and a batch depends on its step
 * alone: training resumes at any step with what it would have seen.
 *
 * @param count images in the dataset; may be smaller than a batch.
 */
export function shuffledBatches(
  count: number,
  batchSize: number,
  permutation: Permutation,
): Batches {
  checkSize('count', count);
  checkSize('batchSize', batchSize);
  const epochOrder = cachedOrder(count, permutation);
  return {
    batchAt(step) {
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new RangeError(`step ${step} is not a whole number from 0 up`);
      }
      const batch = new Uint32Array(batchSize);
      for (let i = 0; i < batchSize;) {
        const position = step * batchSize + i;
        const within = position % count;
        const order = epochOrder(Math.floor(position / count));
        const taken = order.subarray(within, within + batchSize - i);
        batch.set(taken, i);
        i += taken.length;
      }
      return batch;
    },
  };
}

/** Keeps the last epoch's order, since consecutive batches share it, and checks a new one. */
function cachedOrder(count: number, permutation: Permutation): (epoch: number) => Uint32Array {
  let cached: { epoch: number; order: Uint32Array } | undefined;
  return (epoch) => {
    if (cached?.epoch !== epoch) {
      const order = permutation(count, epoch);
      checkPermutation(order, count);
      cached = { epoch, order };
    }
    return cached.order;
  };
}

function checkPermutation(order: Uint32Array, count: number): void {
  const seen = new Uint8Array(count);
  for (const index of order) seen[index] = 1;
  if (order.length !== count || seen.includes(0)) {
    throw new Error(
      `the permutation gave ${order.length} indices that do not cover 0 … ${count - 1}`,
    );
  }
}

/**
 * Every index once, in order, for evaluation: `size` is `batchSize` but for a shorter last batch.
 */
export function* sequentialBatches(count: number, batchSize: number): Generator<Uint32Array> {
  checkSize('count', count);
  checkSize('batchSize', batchSize);
  for (let start = 0; start < count; start += batchSize) {
    const size = Math.min(batchSize, count - start);
    yield Uint32Array.from({ length: size }, (_, i) => start + i);
  }
}

function checkSize(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} is ${value}, expected a whole number from 1 up`);
  }
}
