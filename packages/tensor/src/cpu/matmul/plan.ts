import type { KernelPlan } from '../kernel.ts';
import {
  dotMatmul,
  matmulWords,
  maxBlockDepth,
  maxBlockRows,
  maxSkinnyRows,
  packedMatmul,
  skinnyMatmul,
  tileColumns,
  tileRows,
} from './kernels.ts';

/** Where a batch of matrices lies: a byte pointer, then strides in elements. */
export interface MatrixLayout {
  readonly pointer: number;
  /** Elements from one row to the next, of the matrix as stored. */
  readonly rowStride: number;
  /** Elements from one matrix to the next over the outer and the inner batch axis; 0 broadcasts. */
  readonly outerStride?: number;
  readonly innerStride?: number;
}

/** C[m, n] = op(A)·op(B) (+ initial), over outerBatch × innerBatch matrices. */
export interface MatmulProblem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly outerBatch?: number;
  readonly innerBatch?: number;
  /** A is stored as [k, m]. */
  readonly transposeA?: boolean;
  /** B is stored as [n, k]. */
  readonly transposeB?: boolean;
  readonly a: MatrixLayout;
  readonly b: MatrixLayout;
  readonly c: MatrixLayout;
  /** Added to the product: C's own layout to accumulate, a residual, or a bias (row stride 0). */
  readonly initial?: MatrixLayout;
}

/** About 100 µs of one thread's work. */
const operationsPerTask = 2e6;
const maxTasks = 16;
const minBlockSide = 24;

/**
 * Chooses kernel and blocks. Both follow from the problem's shape alone, so the result has the same
 * bits whatever the number of threads.
 */
export function planMatmul(problem: MatmulProblem): KernelPlan {
  const { m, n, k, outerBatch = 1, innerBatch = 1, a, b, c, initial } = problem;
  const { transposeA = false, transposeB = false } = problem;
  const batch = outerBatch * innerBatch;
  const wanted = Math.min(maxTasks, Math.ceil((2 * batch * m * n * k) / operationsPerTask));
  const isSkinny = m <= maxSkinnyRows && !transposeA;

  const counts = isSkinny
    ? { rows: 1, columns: Math.max(1, Math.min(Math.ceil(wanted / batch), Math.ceil(n / 64))) }
    : blockCounts(m, n, Math.ceil(wanted / batch));
  const blockRows = isSkinny ? m : roundUp(Math.ceil(m / counts.rows), tileRows);
  const blockColumns = roundUp(Math.ceil(n / counts.columns), isSkinny ? 32 : tileColumns);
  const blocks = {
    rowBlocks: Math.ceil(m / blockRows),
    columnBlocks: Math.ceil(n / blockColumns),
  };

  const values: Record<(typeof matmulWords)[number], number> = {
    ...layoutWords('a', a),
    ...layoutWords('b', b),
    ...layoutWords('c', c),
    ...layoutWords('initial', initial ?? { pointer: 0, rowStride: 0 }),
    m,
    n,
    k,
    innerBatch,
    blockDepth: Math.ceil(k / Math.ceil(k / maxBlockDepth)),
    blockRows,
    blockColumns,
    ...blocks,
  };
  const [key, build] = isSkinny
    ? transposeB
      ? (['matmul-dot', dotMatmul] as const)
      : (['matmul-skinny', skinnyMatmul] as const)
    : ([
        `matmul-${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}`,
        () => packedMatmul(transposeA, transposeB),
      ] as const);
  return {
    key,
    build,
    words: matmulWords.map((word) => values[word]),
    taskCount: batch * blocks.rowBlocks * blocks.columnBlocks,
  };
}

/** Blocks along both sides of C, at least `wanted` of them: the longer side is cut first. */
function blockCounts(m: number, n: number, wanted: number): { rows: number; columns: number } {
  const counts = { rows: Math.ceil(m / maxBlockRows), columns: 1 };
  while (counts.rows * counts.columns < wanted) {
    const [height, width] = [m / counts.rows, n / counts.columns];
    if (Math.max(height, width) < 2 * minBlockSide) break;
    if (height >= width) counts.rows++;
    else counts.columns++;
  }
  return counts;
}

/** A layout's four words, in bytes, with `prefix`ed names. */
function layoutWords<P extends string>(
  prefix: P,
  { pointer, rowStride, outerStride = 0, innerStride = 0 }: MatrixLayout,
): Record<P | `${P}Row` | `${P}Outer` | `${P}Inner`, number> {
  return {
    [prefix]: pointer,
    [`${prefix}Row`]: 4 * rowStride,
    [`${prefix}Outer`]: 4 * outerStride,
    [`${prefix}Inner`]: 4 * innerStride,
  } as Record<P | `${P}Row` | `${P}Outer` | `${P}Inner`, number>;
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
