import { F32x4, I32, ModuleBuilder, readWords, type FunctionBuilder } from '../wasm/index.ts';
import { edgeKernel, laneSum, microKernel, type MicroKernel, type Tile } from './micro-kernel.ts';
import { copyPanel, copyPanels, transposeMatrix, type Rows } from './packing.ts';

/** A tile of C. */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
}

/** Nine or eight sums, and with the vectors of B and the elements of A of one step at most fifteen registers. */
export const tileShapes = [
  { rows: 3, columns: 12 },
  { rows: 2, columns: 16 },
] as const satisfies TileShape[];
/** Most products summed at a time: a panel of B of that depth (12 or 16 KiB) stays in the first-level cache. */
export const maxBlockDepth = 256;
/** Most rows of a task: its part of A (256 KiB) stays in the second-level cache. */
export const maxBlockRows = 256;

// Scratch memory of a thread: the edge tile, a panel of B, panels of A if that is transposed. The bytes behind
// each panel of A also keep panels from lying a power of two apart, all in the same cache lines.
const panelOffset = 1024;
const panelsOffset = panelOffset + 4 * maxBlockDepth * 16;
const panelSlack = 16;
/** Bytes of scratch memory that a matmul needs in each thread. */
export const matmulScratchBytes = panelsOffset + maxBlockRows * (4 * maxBlockDepth + panelSlack);

/** The parameters of a matmul kernel, in order; pointers and strides in bytes, the rest in elements. */
// prettier-ignore
export const matmulWords = [
  'a', 'aRow', 'aOuter', 'aInner', 'b', 'bRow', 'bOuter', 'bInner',
  'c', 'cRow', 'cOuter', 'cInner', 'initial', 'initialRow', 'initialOuter', 'initialInner',
  'm', 'n', 'k', 'innerBatch', 'blockDepth', 'blockRows', 'blockColumns', 'rowBlocks', 'columnBlocks',
] as const;
type Words = Record<(typeof matmulWords)[number], I32>;

/** One task's part of the problem: a block of C in one element of the batch. */
interface Block {
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
function blockOfTask(f: FunctionBuilder, w: Words, task: I32): Block {
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

/**
 * The packed kernel: a panel of B is packed and meets all rows of the block while it stays in the
 * first-level cache. A is read where it lies, or from panels if it is transposed.
 */
export function packedMatmul(
  transposeA: boolean,
  transposeB: boolean,
  tile: TileShape,
): ModuleBuilder {
  const module = new ModuleBuilder();
  const packA = copyPanels(module, tile.rows);
  const packB = panelOfB(module, tile.columns, transposeB);
  const multiplyPanel = panelProduct(module, tile, transposeA ? 'panel' : 'rows');

  module.kernel((f, args, task) => {
    const w = readWords(f, args, matmulWords);
    const block = blockOfTask(f, w, task);
    const panel = f.let(module.scratch.add(panelOffset));
    const k0 = f.local(I32);

    f.while(k0.lt(w.k), () => {
      const depth = f.let(w.blockDepth.min(w.k.sub(k0)));
      const a = {
        pointer: f.let(block.a.add(block.row.mul(w.aRow)).add(k0.shl(2))),
        step: f.let(w.aRow),
      };
      if (transposeA) {
        const source = f.let(block.a.add(k0.mul(w.aRow)).add(block.row.shl(2)));
        f.set(a.pointer, module.scratch.add(panelsOffset));
        f.set(a.step, depth.mul(4 * tile.rows).add(panelSlack));
        packA(f, a, { pointer: source, step: w.aRow }, depth, block.rows);
      }

      const column = f.let(block.column);
      const end = f.let(block.column.add(block.columns));
      f.while(column.lt(end), () => {
        const columns = f.let(end.sub(column).min(I32.of(tile.columns)));
        packB(f, panel, { pointer: block.b, step: w.bRow }, k0, column, depth, columns);
        const at = (pointer: I32, step: I32): I32 =>
          f.let(pointer.add(block.row.mul(step)).add(column.shl(2)));
        const c = at(block.c, w.cRow);
        const initial = f.let(block.initial);
        const initialStep = f.let(w.initialRow);
        f.if(initial.ne(0), () => f.set(initial, at(initial, initialStep)));
        f.if(k0.ne(0), () => {
          f.set(initial, c);
          f.set(initialStep, w.cRow);
        });
        const operands = { a: a.pointer, aStep: a.step, b: panel, bStep: I32.of(0), depth };
        const result = { c, cStep: w.cRow, initial, initialStep };
        multiplyPanel(f, { ...operands, ...result }, block.rows, columns);
        f.set(column, column.add(tile.columns));
      });
      f.set(k0, k0.add(w.blockDepth));
    });
  });
  return module;
}

/** Packs `columns` ≤ `panelColumns` columns of B, and `depth` rows of it. */
function panelOfB(module: ModuleBuilder, panelColumns: number, transposed: boolean) {
  const copy = copyPanel(module, panelColumns);
  const transpose = transposeMatrix(module);
  const step = 4 * panelColumns;
  return (
    f: FunctionBuilder,
    panel: I32,
    b: Rows,
    k0: I32,
    column: I32,
    depth: I32,
    columns: I32,
  ): void => {
    if (!transposed) {
      copy(f, panel, b.pointer.add(k0.mul(b.step)).add(column.shl(2)), b.step, depth);
      return;
    }
    f.if(columns.lt(panelColumns), () => clear(f, panel, depth.mul(step)));
    const source = { pointer: b.pointer.add(column.mul(b.step)).add(k0.shl(2)), step: b.step };
    transpose(f, { pointer: panel, step: I32.of(step) }, source, columns, depth);
  };
}

/** All rows of a block of A, tile by tile, against one panel of B of up to a tile's columns. */
function panelProduct(
  module: ModuleBuilder,
  tile: TileShape,
  a: 'rows' | 'panel',
): (f: FunctionBuilder, first: Tile, rows: I32, columns: I32) => void {
  const kernels = Array.from({ length: tile.rows }, (_, i) => {
    const rows = tile.rows - i;
    const panelRows = a === 'panel' ? tile.rows : 1;
    const layout = { a, panelRows, b: 'panel', rows, columns: tile.columns } as const;
    const kernel = microKernel(module, layout);
    return { height: rows, kernel, edge: edgeKernel(module, layout, kernel) };
  });
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32, I32, I32, I32, I32],
    (f, pointer, aStep, b, depth, c, cStep, initial, initialStep, rows, columns) => {
      const result = { c, cStep, initial, initialStep };
      const at: Tile = { a: pointer, aStep, b, bStep: I32.of(0), depth, ...result };
      for (const { height, kernel, edge } of kernels) {
        f.while(rows.ge(height), () => {
          f.if(
            columns.eq(tile.columns),
            () => kernel(f, at),
            () => edge(f, at, columns),
          );
          f.set(pointer, pointer.add(a === 'panel' ? aStep : aStep.mul(height)));
          f.set(c, c.add(cStep.mul(height)));
          f.set(initial, initial.add(initialStep.mul(height)));
          f.set(rows, rows.sub(height));
        });
      }
    },
  );
  return (f, t, rows, columns) => {
    const { a, aStep, b, depth, c, cStep, initial, initialStep } = t;
    f.run(call(a, aStep, b, depth, c, cStep, initial, initialStep, rows, columns));
  };
}

/** Writes zeros: `bytes` is a multiple of 16. */
function clear(f: FunctionBuilder, pointer: I32, bytes: I32): void {
  const offset = f.let(I32.of(0));
  f.while(offset.lt(bytes), () => {
    f.store(pointer.add(offset), F32x4.of(0));
    f.set(offset, offset.add(16));
  });
}

/** Most rows for which packing B would cost more than it saves. */
export const maxSkinnyRows = 6;

/** The kernel for few rows (decoding): B is read once, where it lies, in vectors along n. */
export function skinnyMatmul(): ModuleBuilder {
  const module = new ModuleBuilder();
  const widths = [28, 16, 12, 8, 4, 4];
  const kernels = widths.map((columns, i) => {
    const layout = { a: 'rows', b: 'rows', rows: i + 1, columns } as const;
    const kernel = microKernel(module, layout);
    return { kernel, edge: edgeKernel(module, layout, kernel), columns };
  });
  module.kernel((f, args, task) => {
    const w = readWords(f, args, matmulWords);
    const block = blockOfTask(f, w, task);
    kernels.forEach(({ kernel, edge, columns }, i) => {
      f.if(w.m.eq(i + 1), () => sweepColumns(f, w, block, kernel, edge, columns));
    });
  });
  return module;
}

function sweepColumns(
  f: FunctionBuilder,
  w: Words,
  block: Block,
  kernel: MicroKernel,
  edge: ReturnType<typeof edgeKernel>,
  width: number,
): void {
  const tile = (j: I32): Tile => {
    const offset = f.let(block.column.add(j).shl(2));
    const hasInitial = block.initial.ne(0);
    return {
      a: block.a,
      aStep: w.aRow,
      b: block.b.add(offset),
      bStep: w.bRow,
      depth: w.k,
      c: block.c.add(offset),
      cStep: w.cRow,
      initial: hasInitial.select(I32, block.initial.add(offset), I32.of(0)),
      initialStep: w.initialRow,
    };
  };
  const j = f.loop(0, block.columns, width, (j) => kernel(f, tile(j)));
  f.if(j.lt(block.columns), () => edge(f, tile(j), block.columns.sub(j)));
}

/** The kernel for few rows with B transposed: dot products of rows of A and rows of B, four at a time. */
export function dotMatmul(): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel((f, args, task) => {
    const w = readWords(f, args, matmulWords);
    const block = blockOfTask(f, w, task);
    const end = f.let(block.column.add(block.columns));

    /** C[row, column … column + count) */
    const dots = (row: I32, column: I32, count: number): void => {
      const a = f.let(block.a.add(row.mul(w.aRow)));
      const bRows = Array.from({ length: count }, (_, i) =>
        f.let(block.b.add(column.add(i).mul(w.bRow))),
      );
      const sums = bRows.map(() => f.let(F32x4.of(0)));
      const k = f.loop(0, w.k, 4, (k) => {
        const offset = f.let(k.shl(2));
        const x = f.let(f.f32x4(a.add(offset)));
        sums.forEach((sum, i) => f.set(sum, x.madd(f.f32x4(bRows[i]!.add(offset)), sum)));
      });
      const totals = sums.map((sum) => f.let(laneSum(f, sum)));
      f.resume(k, w.k, 1, (k) => {
        const x = f.let(f.f32(a.add(k.shl(2))));
        totals.forEach((t, i) => f.set(t, t.add(x.mul(f.f32(bRows[i]!.add(k.shl(2)))))));
      });
      const initial = f.let(block.initial.add(row.mul(w.initialRow)).add(column.shl(2)));
      f.if(block.initial.ne(0), () =>
        totals.forEach((t, i) => f.set(t, t.add(f.f32(initial, 4 * i)))),
      );
      const c = f.let(block.c.add(row.mul(w.cRow)).add(column.shl(2)));
      totals.forEach((t, i) => f.store(c, t, 4 * i));
    };

    const j = f.loop(block.column, end, 4, (j) => {
      f.loop(0, w.m, 1, (row) => dots(row, j, 4));
    });
    f.resume(j, end, 1, (j) => {
      f.loop(0, w.m, 1, (row) => dots(row, j, 1));
    });
  });
  return module;
}
