import { F32x4, I32, ModuleBuilder, readWords, type FunctionBuilder } from '../wasm/index.ts';
import { edgeKernel, laneSum, microKernel, type MicroKernel, type Tile } from './micro-kernel.ts';
import { packColumns, packRows } from './packing.ts';

/** Depth of a packed block: eight columns of it (8 KiB) stay in the first-level cache. */
export const blockDepth = 256;
/** Widest packed block of B: 256 KiB, for the second-level cache. */
export const maxBlockColumns = 256;
const tileRows = 6;
const tileColumns = 8;

// Scratch memory of a thread: the edge tile, a panel of A, a block of B.
const panelOffset = 1024;
const blockOffset = panelOffset + 32 * blockDepth;
/** Bytes of scratch memory that a matmul needs in each thread. */
export const matmulScratchBytes = blockOffset + 4 * blockDepth * maxBlockColumns;

/** The parameters of a matmul kernel, in order; pointers and strides in bytes, the rest in elements. */
// prettier-ignore
export const matmulWords = [
  'a', 'aRow', 'aOuter', 'aInner', 'b', 'bRow', 'bOuter', 'bInner',
  'c', 'cRow', 'cOuter', 'cInner', 'initial', 'initialRow', 'initialOuter', 'initialInner',
  'm', 'n', 'k', 'innerBatch', 'blockRows', 'blockColumns', 'rowBlocks', 'columnBlocks',
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
 * The packed kernel: B is packed block by block, and each panel of A (as it lies, or packed if
 * transposed) runs over the block's columns while it stays in the first-level cache.
 */
export function packedMatmul(transposeA: boolean, transposeB: boolean): ModuleBuilder {
  const module = new ModuleBuilder();
  const packA = packColumns(module);
  const packB = transposeB ? packRows(module) : packColumns(module);
  const kernels = Array.from({ length: tileRows }, (_, i) => {
    const layout = {
      a: transposeA ? 'panel' : 'rows',
      b: 'panel',
      rows: i + 1,
      columns: tileColumns,
    } as const;
    const kernel = microKernel(module, layout);
    return { kernel, edge: edgeKernel(module, layout, kernel) };
  });

  module.kernel((f, args, task) => {
    const w = readWords(f, args, matmulWords);
    const block = blockOfTask(f, w, task);
    const panel = f.let(module.scratch.add(panelOffset));
    const packed = f.let(module.scratch.add(blockOffset));
    const k0 = f.local(I32);
    const depth = f.local(I32);

    const packBlock = (): void => {
      const j = f.let(I32.of(0));
      const target = f.let(packed);
      f.while(j.lt(block.columns), () => {
        const column = f.let(block.column.add(j));
        const source = transposeB
          ? block.b.add(column.mul(w.bRow)).add(k0.shl(2))
          : block.b.add(k0.mul(w.bRow)).add(column.shl(2));
        packB(f, target, source, w.bRow, depth, I32.of(tileColumns).min(block.columns.sub(j)));
        f.set(target, target.add(depth.shl(5)));
        f.set(j, j.add(tileColumns));
      });
    };

    /** One panel of A, `height` rows from `row` on, against all columns of the block. */
    const multiplyPanel = (row: I32, height: number): void => {
      const { kernel, edge } = kernels[height - 1]!;
      const a = transposeA ? panel : f.let(block.a.add(row.mul(w.aRow)).add(k0.shl(2)));
      if (transposeA) {
        const source = block.a.add(k0.mul(w.aRow)).add(row.shl(2));
        packA(f, panel, source, w.aRow, depth, I32.of(8));
      }
      const c = f.let(block.c.add(row.mul(w.cRow)).add(block.column.shl(2)));
      const initial = f.let(block.initial.add(row.mul(w.initialRow)).add(block.column.shl(2)));
      const isFirst = f.let(k0.eq(0));
      const hasInitial = f.let(block.initial.ne(0).or(k0.ne(0)));
      const b = f.let(packed);
      const tile = (): Tile => ({
        a,
        aStep: w.aRow,
        b,
        bStep: I32.of(0),
        depth,
        c,
        cStep: w.cRow,
        initial: hasInitial.select(I32, isFirst.select(I32, initial, c), I32.of(0)),
        initialStep: isFirst.select(I32, w.initialRow, w.cRow),
      });
      const j = f.loop(0, block.columns, tileColumns, () => {
        kernel(f, tile());
        f.set(b, b.add(depth.shl(5)));
        f.set(c, c.add(4 * tileColumns));
        f.set(initial, initial.add(4 * tileColumns));
      });
      f.if(j.lt(block.columns), () => edge(f, tile(), block.columns.sub(j)));
    };

    f.while(k0.lt(w.k), () => {
      f.set(depth, I32.of(blockDepth).min(w.k.sub(k0)));
      packBlock();
      const i = f.loop(0, block.rows, tileRows, (i) =>
        multiplyPanel(f.let(block.row.add(i)), tileRows),
      );
      const left = f.let(block.rows.sub(i));
      const row = f.let(block.row.add(i));
      for (let height = 1; height < tileRows; height++) {
        f.if(left.eq(height), () => multiplyPanel(row, height));
      }
      f.set(k0, k0.add(blockDepth));
    });
  });
  return module;
}

/** Most rows for which packing B would cost more than it saves. */
export const maxSkinnyRows = 6;

/** The kernel for few rows (decoding): B is read once, where it lies, in vectors along n. */
export function skinnyMatmul(): ModuleBuilder {
  const module = new ModuleBuilder();
  const widths = [32, 16, 16, 8, 8, 8];
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
