import type { KernelPlan } from '../kernel.ts';
import {
  dotMatmul,
  matmulWords,
  maxBlockColumns,
  maxSkinnyRows,
  packedMatmul,
  skinnyMatmul,
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
const minBlockRows = 24;

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

  const columnBlocks = isSkinny
    ? Math.max(1, Math.min(Math.ceil(wanted / batch), Math.ceil(n / 64)))
    : Math.ceil(n / maxBlockColumns);
  const blockColumns = roundUp(Math.ceil(n / columnBlocks), isSkinny ? 32 : 8);
  const rowBlocks = isSkinny
    ? 1
    : clamp(Math.ceil(wanted / (batch * columnBlocks)), 1, Math.ceil(m / minBlockRows));
  const blockRows = isSkinny ? m : roundUp(Math.ceil(m / rowBlocks), 6);
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
const clamp = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(value, high));
