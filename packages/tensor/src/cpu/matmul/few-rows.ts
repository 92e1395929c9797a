import { sumOfLanes } from '../lanes.ts';
import {
  F32x4,
  I32,
  kernelModule,
  ModuleBuilder,
  readWords,
  type FunctionBuilder,
} from '../wasm/index.ts';
import { edgeKernel, microKernel, type MicroKernel, type Tile } from './micro-kernel.ts';
import { blockOfTask, matmulWords, type Block, type Words } from './task.ts';

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
export function dotMatmul() {
  return kernelModule((f, args, task) => {
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
      const totals = sums.map((sum) => f.let(sumOfLanes(f, sum).lane(0)));
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
}
