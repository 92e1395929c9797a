import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { matmulScratchBytes } from '../../packages/tensor/src/cpu/matmul/packed.ts';
import { planMatmul, type MatmulProblem } from '../../packages/tensor/src/cpu/matmul/plan.ts';
import { scratchBytes } from '../../packages/tensor/src/cpu/participant.ts';
import { ThreadPool } from '../../packages/tensor/src/cpu/pool.ts';
import { spawnNodeWorker } from '../../packages/tensor/node/workers.ts';

const pools = [1, 2].map((threads) => new ThreadPool({ threads, spawn: spawnNodeWorker }));
afterAll(() => pools.forEach((pool) => pool.destroy()));

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly outerBatch: number;
  readonly innerBatch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly broadcastB: boolean;
  readonly initial: 'none' | 'accumulate' | 'bias';
  /** Floats between the end of one row and the next, for all three matrices. */
  readonly padding: number;
}

/** Deterministic values in [-1, 1), exact in float32. */
const noise = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (Math.imul(i + seed, 0x9e3779b1) >> 8) / 2 ** 23);

/** Runs one problem on a pool; returns C with its padding, and the float64 result for its valid part. */
function multiply(
  pool: ThreadPool,
  c: Case,
): { got: Float32Array; exact: Float64Array; row: number } {
  const { m, n, k, outerBatch, innerBatch, transposeA, transposeB, padding } = c;
  const batch = outerBatch * innerBatch;
  const aRow = (transposeA ? m : k) + padding;
  const bRow = (transposeB ? k : n) + padding;
  const cRow = n + padding;
  const aSize = aRow * (transposeA ? k : m);
  const bSize = bRow * (transposeB ? n : k);
  const a = noise(batch * aSize, 1);
  const b = noise((c.broadcastB ? 1 : batch) * bSize, 2);
  const before = noise(batch * m * cRow, 3);
  const bias = noise(n, 4);
  const place = (data: Float32Array): number => {
    const pointer = pool.memory.allocate(data.byteLength);
    new Float32Array(pool.memory.memory.buffer).set(data, pointer / 4);
    return pointer;
  };
  const pointers = [a, b, before, bias].map(place) as [number, number, number, number];
  const cLayout = {
    pointer: pointers[2],
    rowStride: cRow,
    outerStride: innerBatch * m * cRow,
    innerStride: m * cRow,
  };
  const problem: MatmulProblem = {
    ...c,
    a: {
      pointer: pointers[0],
      rowStride: aRow,
      outerStride: innerBatch * aSize,
      innerStride: aSize,
    },
    b: {
      pointer: pointers[1],
      rowStride: bRow,
      outerStride: c.broadcastB ? 0 : innerBatch * bSize,
      innerStride: c.broadcastB ? 0 : bSize,
    },
    c: cLayout,
    initial:
      c.initial === 'accumulate'
        ? cLayout
        : c.initial === 'bias'
          ? { pointer: pointers[3], rowStride: 0 }
          : undefined,
  };
  const plan = planMatmul(problem);
  pool.run([
    { kernel: pool.kernel(plan.key, plan.build), words: plan.words, taskCount: plan.taskCount },
  ]);
  const got = new Float32Array(pool.memory.memory.buffer, pointers[2], before.length).slice();
  pointers.forEach((pointer) => pool.memory.release(pointer));

  const exact = Float64Array.from(before);
  for (let z = 0; z < batch; z++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const at = (z * m + i) * cRow + j;
        let sum = c.initial === 'accumulate' ? before[at]! : c.initial === 'bias' ? bias[j]! : 0;
        for (let p = 0; p < k; p++) {
          const x = a[z * aSize + (transposeA ? p * aRow + i : i * aRow + p)]!;
          const y = b[(c.broadcastB ? 0 : z * bSize) + (transposeB ? j * bRow + p : p * bRow + j)]!;
          sum += x * y;
        }
        exact[at] = sum;
      }
    }
  }
  return { got, exact, row: cRow };
}

function expectClose(c: Case, got: Float32Array, exact: Float64Array): void {
  // Rounding errors of k products below 1 add up like a random walk; 8 deviations.
  const tolerance = 8 * 2 ** -24 * (Math.sqrt(c.k) + 2) * Math.sqrt(c.k + 1);
  let worst = 0;
  exact.forEach((x, i) => (worst = Math.max(worst, Math.abs(got[i]! - x))));
  expect(worst, JSON.stringify(c)).toBeLessThan(tolerance);
}

const size = (max: number) => fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max }));
const anyCase: fc.Arbitrary<Case> = fc.record({
  m: size(80),
  n: size(80),
  k: size(80),
  outerBatch: fc.integer({ min: 1, max: 3 }),
  innerBatch: fc.integer({ min: 1, max: 3 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  broadcastB: fc.boolean(),
  initial: fc.constantFrom('none', 'accumulate', 'bias'),
  padding: fc.constantFrom(0, 0, 3),
});

describe('CPU matmul', () => {
  it('equals a float64 triple loop, writes nothing else, and ignores the number of threads', () => {
    fc.assert(
      fc.property(anyCase, (c) => {
        const [one, two] = pools.map((pool) => multiply(pool, c));
        expectClose(c, one!.got, one!.exact);
        expect(two!.got).toEqual(one!.got);
      }),
      { numRuns: 150 },
    );
  });

  const plain: Case = {
    m: 0,
    n: 0,
    k: 0,
    outerBatch: 1,
    innerBatch: 1,
    transposeA: false,
    transposeB: false,
    broadcastB: false,
    initial: 'accumulate',
    padding: 1,
  };
  it.each([
    [1, 1003, 300],
    [6, 517, 513],
    [7, 300, 770],
    [97, 513, 257],
    [131, 261, 1025],
    [13, 21, 600],
  ])('crosses block borders: m = %i, n = %i, k = %i', (m, n, k) => {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        // Beyond the first block of k, C itself is added instead of the bias.
        const initial = transposeA === transposeB ? 'bias' : 'none';
        const c: Case = { ...plain, m, n, k, transposeA, transposeB, initial };
        const [one, two] = pools.map((pool) => multiply(pool, c));
        expectClose(c, one!.got, one!.exact);
        expect(two!.got).toEqual(one!.got);
      }
    }
  });

  it('keeps to the scratch memory of a thread', () => {
    expect(matmulScratchBytes).toBeLessThanOrEqual(scratchBytes);
  });
});
