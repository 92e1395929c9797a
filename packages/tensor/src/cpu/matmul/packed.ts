import { F32x4, I32, ModuleBuilder, readWords, type FunctionBuilder } from '../wasm/index.ts';
import { edgeKernel, microKernel, type Tile } from './micro-kernel.ts';
import { copyPanel, copyPanels, transposeMatrix, type Rows } from './packing.ts';
import { blockOfTask, matmulWords } from './task.ts';

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
