import { storeLanes } from '../pointwise/primitives.ts';
import { F32x4, I32, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';

/** How a micro-kernel finds its operands. */
export interface MicroKernelLayout {
  /**
   * 'rows': rows of A, `aStep` bytes apart. 'panel': packed, `panelRows` floats for each k. 'columns': A is
   * stored transposed, `aStep` bytes from one k to the next.
   */
  readonly a: 'rows' | 'panel' | 'columns';
  readonly panelRows?: number;
  /** 'rows': B itself, `bStep` bytes from one k to the next. 'panel': packed, `columns` floats for each k. */
  readonly b: 'rows' | 'panel';
  /** Height of the tile of C. */
  readonly rows: number;
  /** Width of the tile of C, a multiple of 4. */
  readonly columns: number;
}

/** Where a tile is written, and what is added to it: pointers and row strides in bytes. */
export interface Tile {
  readonly a: I32;
  readonly aStep: I32;
  readonly b: I32;
  readonly bStep: I32;
  /** Products to sum, at least one. */
  readonly depth: I32;
  readonly c: I32;
  readonly cStep: I32;
  /** Added to the product: C itself to accumulate, a bias row (step 0), a residual; null for none. */
  readonly initial: I32;
  readonly initialStep: I32;
}

export type MicroKernel = (f: FunctionBuilder, tile: Tile) => void;

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const unroll = 4;

/**
 * C[rows, columns] = A·B + initial for one tile held in registers: each step of k loads a row of
 * B and multiplies it by `rows` broadcast elements of A.
 *
 * A step's sums, its row of B and its elements of A should fit 15 registers: within a basic block V8's
 * compiler moves all loads to the front. That is also why every step ends in a way out of the loop, which
 * ends the block: loads of four steps at once would push the sums out of the registers.
 */
export function microKernel(module: ModuleBuilder, layout: MicroKernelLayout): MicroKernel {
  const { rows, columns, panelRows = 1 } = layout;
  const vectors = range(columns / 4);
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32, I32, I32, I32],
    (f, a, aStep, b, bStep, depth, c, cStep, initial, initialStep) => {
      const sums = range(rows).map(() => vectors.map(() => f.local(F32x4)));
      // Constant offsets take registers too: one for each of few rows here, one for each of few steps there.
      const aRows =
        layout.a === 'columns'
          ? []
          : range(rows).map((r) => f.let(a.add(layout.a === 'rows' ? aStep.mul(r) : 4 * r)));
      const aPerStep = 4 * panelRows;

      const multiplyAdd = (u: number): void => {
        const bOffset = layout.b === 'rows' ? 0 : u * columns * 4;
        const bRow = vectors.map((v) => f.let(f.f32x4(b, bOffset + 16 * v)));
        for (const r of range(rows)) {
          const x = f.let(aRows[r] ? f.splat(aRows[r], u * aPerStep) : f.splat(a, 4 * r));
          for (const v of vectors) f.set(sums[r]![v]!, x.madd(bRow[v]!, sums[r]![v]!));
        }
        if (layout.a === 'columns') f.set(a, a.add(aStep));
        if (layout.b === 'rows') f.set(b, b.add(bStep));
      };
      f.repeat((leave) => {
        for (const u of range(unroll)) {
          multiplyAdd(u);
          leave(depth.eq(u + 1));
        }
        for (const row of aRows) f.set(row, row.add(unroll * aPerStep));
        if (layout.b === 'panel') f.set(b, b.add(unroll * columns * 4));
        f.set(depth, depth.sub(unroll));
      });

      f.if(initial.ne(0), () => {
        sums.forEach((sum, r) => {
          const row = f.let(initial.add(initialStep.mul(r)));
          for (const v of vectors) f.set(sum[v]!, sum[v]!.add(f.f32x4(row, 16 * v)));
        });
      });
      sums.forEach((sum, r) => {
        const row = f.let(c.add(cStep.mul(r)));
        for (const v of vectors) f.store(row, sum[v]!, 16 * v);
      });
    },
  );
  return (f, t) =>
    f.run(call(t.a, t.aStep, t.b, t.bStep, t.depth, t.c, t.cStep, t.initial, t.initialStep));
}

/**
 * A micro-kernel for the right edge of C, where fewer than `columns` columns remain: the tile goes to
 * scratch memory, and its valid part is copied. B may be read up to 31 floats past a row's end.
 */
export function edgeKernel(
  module: ModuleBuilder,
  layout: MicroKernelLayout,
  kernel: MicroKernel,
): (f: FunctionBuilder, tile: Tile, columns: I32) => void {
  const copy = module.procedure(
    [I32, I32, I32, I32, I32],
    (f, c, cStep, initial, initialStep, columns) => {
      const bytes = f.let(columns.shl(2));
      for (let r = 0; r < layout.rows; r++) {
        const offset = f.let(I32.of(0));
        f.while(offset.lt(bytes), () => {
          const sum = f.let(f.f32x4(module.scratch.add(offset), r * layout.columns * 4));
          f.if(initial.ne(0), () => f.set(sum, sum.add(f.f32x4(initial.add(offset)))));
          storeLanes(f, f.let(c.add(offset)), f.let(bytes.sub(offset)), sum);
          f.set(offset, offset.add(16));
        });
        f.set(c, c.add(cStep));
        f.set(initial, initial.add(initialStep));
      }
    },
  );
  return (f, t, columns) => {
    const tile = { c: module.scratch, cStep: I32.of(layout.columns * 4), initial: I32.of(0) };
    kernel(f, { ...t, ...tile });
    f.run(copy(t.c, t.cStep, t.initial, t.initialStep, columns));
  };
}
