import { I32, type FunctionBuilder } from '../wasm/index.ts';

/** The parameters of a matmul kernel, in order; pointers and strides in bytes, the rest in elements. */
// prettier-ignore
export const matmulWords = [
  'a', 'aRow', 'aOuter', 'aInner', 'b', 'bRow', 'bOuter', 'bInner',
  'c', 'cRow', 'cOuter', 'cInner', 'initial', 'initialRow', 'initialOuter', 'initialInner',
  'm', 'n', 'k', 'innerBatch', 'blockDepth', 'blockRows', 'blockColumns', 'rowBlocks', 'columnBlocks',
] as const;
export type Words = Record<(typeof matmulWords)[number], I32>;

/** One task's part of the problem: a block of C in one element of the batch. */
export interface Block {
  readonly a: I32;
  readonly b: I32;
  readonly c: I32;
  readonly initial: I32;
  readonly row: I32;
  readonly rows: I32;
  readonly column: I32;
  readonly columns: I32;
}

/** Task number → batch element, row block, column block. Column blocks vary fastest. */
export function blockOfTask(f: FunctionBuilder, w: Words, task: I32): Block {
  const column = f.let(task.rem(w.columnBlocks).mul(w.blockColumns));
  const rest = f.let(task.div(w.columnBlocks));
  const row = f.let(rest.rem(w.rowBlocks).mul(w.blockRows));
  const batch = f.let(rest.div(w.rowBlocks));
  const outer = f.let(batch.div(w.innerBatch));
  const inner = f.let(batch.rem(w.innerBatch));
  const at = (pointer: I32, outerStep: I32, innerStep: I32): I32 =>
    f.let(pointer.add(outer.mul(outerStep)).add(inner.mul(innerStep)));
  const initial = at(w.initial, w.initialOuter, w.initialInner);
  return {
    a: at(w.a, w.aOuter, w.aInner),
    b: at(w.b, w.bOuter, w.bInner),
    c: at(w.c, w.cOuter, w.cInner),
    initial: f.let(w.initial.eq(0).select(I32, I32.of(0), initial)),
    row,
    rows: f.let(w.blockRows.min(w.m.sub(row))),
    column,
    columns: f.let(w.blockColumns.min(w.n.sub(column))),
  };
}
