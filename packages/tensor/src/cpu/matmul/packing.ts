import { transposeLanes } from '../lanes.ts';
import { F32x4, I32, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';

/** Copies `depth` rows' first `columns` floats side by side; reads whole rows of the panel. */
export type CopyPanel = (
  f: FunctionBuilder,
  panel: I32,
  source: I32,
  /** Bytes between two rows of the source. */
  step: I32,
  depth: I32,
) => void;

/** Packs a panel of `columns` (a multiple of 4) columns of a matrix, row after row. */
export function copyPanel(module: ModuleBuilder, columns: number): CopyPanel {
  const call = module.procedure([I32, I32, I32, I32], (f, panel, source, step, depth) => {
    f.loop(0, depth, 1, () => {
      for (let i = 0; i < 4 * columns; i += 16) f.store(panel, f.f32x4(source, i), i);
      f.set(source, source.add(step));
      f.set(panel, panel.add(4 * columns));
    });
  });
  return (f, ...parameters) => f.run(call(...parameters));
}

/** Packs `rows` rows of A, which is stored transposed, into panels a step apart. */
export type CopyPanels = (
  f: FunctionBuilder,
  panels: Rows,
  source: Rows,
  depth: I32,
  rows: I32,
) => void;

/**
 * Panels of `panelRows` ≤ 4 floats for each k. Each vector's floats beyond them are overwritten by the next k's;
 * the last one's need 16 bytes behind each panel.
 */
export function copyPanels(module: ModuleBuilder, panelRows: number): CopyPanels {
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32],
    (f, panels, panelStep, source, step, depth, rows) => {
      const copyRows = (count: number): void => {
        const from = Array.from({ length: count }, (_, k) => f.let(source.add(step.mul(k))));
        const to = f.let(panels);
        f.loop(0, rows.add(panelRows - 1), panelRows, () => {
          from.forEach((row, k) => {
            f.store(to, f.f32x4(row), 4 * panelRows * k);
            f.set(row, row.add(4 * panelRows));
          });
          f.set(to, to.add(panelStep));
        });
        f.set(panels, panels.add(4 * panelRows * count));
        f.set(source, source.add(step.mul(count)));
      };
      const k = f.loop(0, depth, 4, () => copyRows(4));
      f.resume(k, depth, 1, () => copyRows(1));
    },
  );
  return (f, panels, source, depth, rows) =>
    f.run(call(panels.pointer, panels.step, source.pointer, source.step, depth, rows));
}

/** A matrix in memory: steps in bytes. */
export interface Rows {
  readonly pointer: I32;
  readonly step: I32;
}

/** Writes the transpose of `rows` × `columns` floats. */
export type TransposeMatrix = (
  f: FunctionBuilder,
  target: Rows,
  source: Rows,
  rows: I32,
  columns: I32,
) => void;

/** Transposes a matrix 4 × 4 at a time. */
export function transposeMatrix(module: ModuleBuilder): TransposeMatrix {
  const call = module.procedure(
    [I32, I32, I32, I32, I32, I32],
    (f, target, targetStep, source, sourceStep, rows, columns) => {
      const four = (pointer: I32, step: I32): I32[] =>
        [0, 1, 2, 3].map((i) => f.let(pointer.add(step.mul(i))));
      const i = f.loop(0, rows, 4, () => {
        const from = four(source, sourceStep);
        const to = f.let(target);
        const j = f.loop(0, columns, 4, () => {
          const block = from.map((row) => f.let(f.f32x4(row)));
          const [a, b, c, d] = block as [F32x4, F32x4, F32x4, F32x4];
          transposeLanes(f, [a, b, c, d]).forEach((v, r) => f.store(to.add(targetStep.mul(r)), v));
          for (const row of from) f.set(row, row.add(16));
          f.set(to, to.add(targetStep.shl(2)));
        });
        f.resume(j, columns, 1, () => {
          from.forEach((row, r) => f.store(to, f.f32(row), 4 * r));
          for (const row of from) f.set(row, row.add(4));
          f.set(to, to.add(targetStep));
        });
        f.set(source, source.add(sourceStep.shl(2)));
        f.set(target, target.add(16));
      });
      f.resume(i, rows, 1, () => {
        const to = f.let(target);
        f.loop(0, columns, 1, (j) => {
          f.store(to, f.f32(source.add(j.shl(2))));
          f.set(to, to.add(targetStep));
        });
        f.set(source, source.add(sourceStep));
        f.set(target, target.add(4));
      });
    },
  );
  return (f, target, source, rows, columns) =>
    f.run(call(target.pointer, target.step, source.pointer, source.step, rows, columns));
}
