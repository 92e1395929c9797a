import { F32, F32x4, I32, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';

/** How a micro-kernel finds its operands. */
export interface MicroKernelLayout {
  /**
   * 'rows': `rows` rows of A, `aStep` bytes apart. 'panel': packed, 8 floats for each k. 'columns': A
   * is stored transposed, `aStep` bytes from one k to the next.
   */
  readonly a: 'rows' | 'panel' | 'columns';
  /** 'rows': B itself, `bStep` bytes from one k to the next. 'panel': packed, `columns` floats for each k. */
  readonly b: 'rows' | 'panel';
  /** Height of the tile of C, 1 to 6. */
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
 */
export function microKernel(module: ModuleBuilder, layout: MicroKernelLayout): MicroKernel {
  const { rows, columns } = layout;
  const vectors = range(columns / 4);
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32, I32, I32, I32],
    (f, a, aStep, b, bStep, depth, c, cStep, initial, initialStep) => {
      const sums = range(rows).map(() => vectors.map(() => f.local(F32x4)));
      const aRows = range(rows).map((r) => (layout.a === 'rows' ? f.let(a.add(aStep.mul(r))) : a));
      const aPerStep = { rows: 4, panel: 32, columns: 0 }[layout.a];

      const multiplyAdd = (u: number): void => {
        const bOffset = layout.b === 'rows' ? 0 : u * columns * 4;
        const bRow = vectors.map((v) => f.let(f.f32x4(b, bOffset + 16 * v)));
        for (const r of range(rows)) {
          const offset = u * aPerStep + (layout.a === 'rows' ? 0 : 4 * r);
          const x = f.let(f.splat(aRows[r]!, offset));
          for (const v of vectors) f.set(sums[r]![v]!, x.madd(bRow[v]!, sums[r]![v]!));
        }
        if (layout.a === 'columns') f.set(a, a.add(aStep));
        if (layout.b === 'rows') f.set(b, b.add(bStep));
      };
      const steps = (count: number): void => {
        range(count).forEach(multiplyAdd);
        if (aPerStep > 0) {
          for (const pointer of new Set(aRows)) f.set(pointer, pointer.add(count * aPerStep));
        }
        if (layout.b === 'panel') f.set(b, b.add(count * columns * 4));
      };
      const k = f.loop(0, depth, unroll, () => steps(unroll));
      f.resume(k, depth, 1, () => steps(1));

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
      const tile = f.let(module.scratch);
      for (let r = 0; r < layout.rows; r++) {
        f.loop(0, columns.shl(2), 4, (j) => {
          const sum = f.let(f.f32(tile.add(j), r * layout.columns * 4));
          const target = c.add(cStep.mul(r)).add(j);
          const added = f.f32(initial.add(initialStep.mul(r)).add(j));
          f.if(
            initial.ne(0),
            () => f.store(target, sum.add(added)),
            () => f.store(target, sum),
          );
        });
      }
    },
  );
  return (f, t, columns) => {
    const tile = { c: module.scratch, cStep: I32.of(layout.columns * 4), initial: I32.of(0) };
    kernel(f, { ...t, ...tile });
    f.run(copy(t.c, t.cStep, t.initial, t.initialStep, columns));
  };
}

/** The sum of a vector's four lanes, pairwise. */
export function laneSum(f: FunctionBuilder, x: F32x4): F32 {
  const pairs = f.let(x.add(x.shuffle(x, [2, 3, 0, 1])));
  return pairs.lane(0).add(pairs.lane(1));
}
