import { microKernel } from '../matmul/micro-kernel.ts';
import type { TransposeMatrix } from '../matmul/packing.ts';
import { storeLanes } from '../pointwise/primitives.ts';
import { F32x4, I32, I32x4, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';

/** Rows of a tile: queries, or keys where A is transposed. With eight columns its sums stay in registers. */
export const tileRows = 4;
const tileColumns = 8;

/** Operands of a tile's product; pointers and steps in bytes. */
export interface ProductOperands {
  readonly a: I32;
  readonly aStep: I32;
  /** Rows of the tile, 1 to 4. */
  readonly height: I32;
  readonly b: I32;
  /** From one k to the next, if B lies in rows. */
  readonly bStep: I32;
  /** From eight columns of B to the next eight. */
  readonly bNext: I32;
  readonly depth: I32;
  /** May be written up to a multiple of eight columns. */
  readonly c: I32;
  readonly cStep: I32;
  readonly columns: I32;
}

export type TileProduct = (f: FunctionBuilder, operands: ProductOperands) => void;

/**
 * C = A·B for a tile of up to four rows and any number of columns. With A transposed, C += Aᵀ·B, always
 * for four rows.
 */
export function tileProduct(
  module: ModuleBuilder,
  layout: { readonly a: 'rows' | 'columns'; readonly b: 'rows' | 'panel' },
): TileProduct {
  const accumulates = layout.a === 'columns';
  const heights = accumulates ? [tileRows] : [4, 3, 2, 1];
  const kernels = heights.map((rows) => ({
    rows,
    kernel: microKernel(module, { ...layout, rows, columns: tileColumns }),
  }));
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32, I32, I32, I32, I32],
    (f, a, aStep, height, b, bStep, bNext, depth, c, cStep, columns) => {
      for (const { rows, kernel } of kernels) {
        f.if(height.eq(rows), () => {
          f.loop(0, columns.add(tileColumns - 1), tileColumns, () => {
            const initial = accumulates ? c : I32.of(0);
            kernel(f, { a, aStep, b, bStep, depth, c, cStep, initial, initialStep: cStep });
            f.set(b, b.add(bNext));
            f.set(c, c.add(4 * tileColumns));
          });
        });
      }
    },
  );
  return (f, o) => {
    const { a, aStep, height, b, bStep, bNext, depth, c, cStep, columns } = o;
    f.run(call(a, aStep, height, b, bStep, bNext, depth, c, cStep, columns));
  };
}

/** Packs rows into panels of eight: `size` × 8 floats each, transposed. */
export function packPanels(
  f: FunctionBuilder,
  transpose: TransposeMatrix,
  rows: { readonly from: I32; readonly step: I32; readonly count: I32; readonly size: I32 },
  panels: I32,
): void {
  const row = f.let(I32.of(0));
  const [source, target] = [f.let(rows.from), f.let(panels)];
  f.while(row.lt(rows.count), () => {
    const width = f.let(I32.of(tileColumns).min(rows.count.sub(row)));
    f.if(width.lt(tileColumns), () => clearRow(f, target, f.let(I32.of(0)), rows.size.shl(5)));
    const panel = { pointer: target, step: I32.of(4 * tileColumns) };
    transpose(f, panel, { pointer: source, step: rows.step }, width, rows.size);
    f.set(source, source.add(rows.step.shl(3)));
    f.set(target, target.add(rows.size.shl(5)));
    f.set(row, row.add(tileColumns));
  });
}

/** Replaces the lanes beyond a row's end. */
export type Keep = (x: F32x4, beyond: number) => F32x4;

/** Visits a row of `bytes` bytes, four floats at a time; returns where the next vector would lie. */
export function eachVector(
  f: FunctionBuilder,
  bytes: I32,
  visit: (offset: I32, keep: Keep) => void,
): I32 {
  const offset = f.let(I32.of(0));
  const step = (keep: Keep): void => {
    visit(offset, keep);
    f.set(offset, offset.add(16));
  };
  f.while(offset.add(16).le(bytes), () => step((x) => x));
  f.if(offset.lt(bytes), () => {
    const inside = I32x4.lanes([0, 4, 8, 12]).lt(bytes.sub(offset).splat());
    const mask = f.let(inside);
    step((x, beyond) => mask.select(x, beyond));
  });
  return offset;
}

/** Writes zeros from `offset` to at least `end`, in bytes from the row's start. */
export function clearRow(f: FunctionBuilder, row: I32, offset: I32, end: I32): void {
  f.while(offset.lt(end), () => {
    f.store(row.add(offset), F32x4.of(0));
    f.set(offset, offset.add(16));
  });
}

/** Copies rows of `bytes` bytes, exactly; `value` may change them on the way. */
export function copyRows(
  f: FunctionBuilder,
  from: { readonly pointer: I32; readonly step: I32 },
  to: { readonly pointer: I32; readonly step: I32 },
  rows: I32,
  bytes: I32,
  value: (x: F32x4, row: I32) => F32x4 = (x) => x,
): void {
  const [source, target] = [f.let(from.pointer), f.let(to.pointer)];
  f.loop(0, rows, 1, (row) => {
    const offset = f.let(I32.of(0));
    f.while(offset.lt(bytes), () => {
      const lanes = f.let(value(f.f32x4(source.add(offset)), row));
      storeLanes(f, f.let(target.add(offset)), f.let(bytes.sub(offset)), lanes);
      f.set(offset, offset.add(16));
    });
    f.set(source, source.add(from.step));
    f.set(target, target.add(to.step));
  });
}
