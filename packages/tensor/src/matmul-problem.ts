import { loopNest } from './broadcast.ts';
import { offsetAt } from './coordinates.ts';
import { broadcastShapes, sizeOf, type Shape } from './shape.ts';

/** Where the matrices of an operand lie, in elements: batch b is at offset + ⌊b / inner⌋·outer + (b mod inner)·step. */
export interface BatchLayout {
  readonly offset: number;
  readonly outer: number;
  readonly step: number;
}

/** `batches` products of [m, k] by [k, n] matrices, written to consecutive rows of the output from `firstRow`. */
export interface MatmulProblem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A matrix of a is stored as [k, m]. */
  readonly transposeA: boolean;
  /** A matrix of b is stored as [n, k]. */
  readonly transposeB: boolean;
  readonly batches: number;
  /** Batches of the inner of the two batch axes. */
  readonly inner: number;
  readonly a: BatchLayout;
  readonly b: BatchLayout;
  readonly firstRow: number;
}

/**
 * A broadcast batched product as dense problems: nearly always one. Rows fold into one big matrix where b is
 * shared by all batches; batch axes beyond two that do not merge become problems of their own.
 */
export function matmulProblems(
  a: Shape,
  b: Shape,
  transposeA: boolean,
  transposeB: boolean,
): MatmulProblem[] {
  const [rowsA, columnsA] = a.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const n = transposeB ? rowsB : columnsB;
  const shared = { n, k, transposeA, transposeB };
  const [batchA, batchB] = [a.slice(0, -2), b.slice(0, -2)];
  const still = { offset: 0, outer: 0, step: 0 };
  if (sizeOf(batchB) === 1 && !transposeA) {
    const rows = sizeOf(batchA) * m;
    return [{ ...shared, m: rows, batches: 1, inner: 1, a: still, b: still, firstRow: 0 }];
  }
  const batch = broadcastShapes('matmul', batchA, batchB);
  const { lengths, strides } = loopNest(batch, [batchA, batchB]);
  const sizes = [m * k, k * n];
  const inner = lengths.at(-1)!;
  const outer = lengths.at(-2) ?? 1;
  const problems: MatmulProblem[] = [];
  const count = sizeOf(lengths.slice(0, -2));
  for (let i = 0; i < count; i++) {
    const layout = (operand: number): BatchLayout => {
      const own = strides[operand]!;
      const at = (axis: number) => (own.at(axis) ?? 0) * sizes[operand]!;
      const offset = offsetAt(i, lengths.slice(0, -2), own) * sizes[operand]!;
      return { offset, outer: lengths.length > 1 ? at(-2) : 0, step: at(-1) };
    };
    const batches = outer * inner;
    const firstRow = i * batches * m;
    problems.push({ ...shared, m, batches, inner, a: layout(0), b: layout(1), firstRow });
  }
  return problems;
}
