import { roundUp } from '../../round-up.ts';
import type { KernelPlan } from '../kernel.ts';
import { dotMatmul, maxSkinnyRows, skinnyMatmul } from './few-rows.ts';
import { maxBlockDepth, maxBlockRows, packedMatmul, tileShapes, type TileShape } from './packed.ts';
import { matmulWords } from './task.ts';

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
const operationsPerTask = 4e6;
const maxTasks = 16;
const minBlockSide = 24;
/** Parts of k: their least depth, and the largest matrix of which each has its own. */
const minPartDepth = 256;
const maxPartSize = 2 ** 18;

/** Tasks to cut a problem into. */
const wantedTasks = ({ m, n, k, outerBatch = 1, innerBatch = 1 }: MatmulProblem): number =>
  Math.min(maxTasks, Math.ceil((2 * outerBatch * innerBatch * m * n * k) / operationsPerTask));

/**
 * Equal parts into which k is best cut, each with a product of its own, to be added up: for the gradient of a weight, a
 * small matrix that sums over many rows. Blocks of C, each of which packs its part of both operands, would cost more.
 */
export function depthSplits(problem: MatmulProblem): number {
  const { m, n, k, transposeA, initial, outerBatch = 1, innerBatch = 1 } = problem;
  if (!transposeA || initial || outerBatch * innerBatch > 1 || m * n > maxPartSize) return 1;
  let parts = Math.max(1, Math.floor(Math.min(wantedTasks(problem), k / minPartDepth)));
  while (k % parts !== 0) parts--;
  return parts;
}

/**
 * Chooses kernel and blocks. Both follow from the problem's shape alone, so the result has the same
 * bits whatever the number of threads.
 */
export function planMatmul(problem: MatmulProblem): KernelPlan {
  const { m, n, k, outerBatch = 1, innerBatch = 1, a, b, c, initial } = problem;
  const { transposeA = false, transposeB = false } = problem;
  const batch = outerBatch * innerBatch;
  const wanted = Math.max(1, Math.floor(wantedTasks(problem) / batch));
  const isSkinny = m <= maxSkinnyRows && !transposeA;

  const tile = tileFor(n);
  const counts = isSkinny
    ? { rows: 1, columns: Math.max(1, Math.min(wanted, Math.ceil(n / 64))) }
    : blockCounts(problem, wanted);
  const blockRows = isSkinny ? m : roundUp(Math.ceil(m / counts.rows), tile.rows);
  const blockColumns = roundUp(Math.ceil(n / counts.columns), isSkinny ? 32 : tile.columns);
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
        `matmul-${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}-${tile.columns}`,
        () => packedMatmul(transposeA, transposeB, tile),
      ] as const);
  return {
    key,
    build,
    words: matmulWords.map((word) => values[word]),
    taskCount: batch * blocks.rowBlocks * blocks.columnBlocks,
  };
}

/** The tile that computes fewer columns beyond n; the wide one is 2 to 5 % faster at whole tiles. */
function tileFor(n: number): TileShape {
  const [narrow, wide] = tileShapes;
  const cost = ({ columns }: TileShape): number => roundUp(n, columns);
  return cost(wide) <= 1.03 * cost(narrow) ? wide : narrow;
}

/**
 * At least `wanted` blocks of C if their sides allow it. A block of rows packs all of B again, and a block of columns
 * all of A, if that is packed.
 */
function blockCounts(
  { m, n, transposeA }: MatmulProblem,
  wanted: number,
): { rows: number; columns: number } {
  const counts = { rows: Math.ceil(m / maxBlockRows), columns: 1 };
  while (counts.rows * counts.columns < wanted) {
    const [height, width] = [m / counts.rows, n / counts.columns];
    const [canCutRows, canCutColumns] = [height, width].map((side) => side >= 2 * minBlockSide);
    if (!canCutRows && !canCutColumns) break;
    if (canCutColumns && (!canCutRows || !transposeA || width > height)) counts.columns++;
    else counts.rows++;
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
