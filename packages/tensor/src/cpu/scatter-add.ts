import type { IndexedAxis } from '../indexed-axis.ts';
import type { Tensor } from '../tensor.ts';
import { fillRow } from './fill.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { I32, kernelModule, readWords, type FunctionBuilder } from './wasm/index.ts';

/** Columns of a task, unless there are enough outer indices to share out: at least a cache line. */
const minColumns = 16;
const wantedTasks = 8;

/**
 * result[o, index, i] = Σ values[o, j, i] over the j with that index, in their order. A task owns some
 * columns i of one o, so that no two tasks add to the same element.
 */
export function scatterAdd(
  run: CpuKernelRun,
  { outer, length, inner, count, perElement }: IndexedAxis,
  { values, indices, result }: { values: Tensor; indices: Tensor; result: Tensor },
): void {
  if (result.size === 0) return;
  const wanted = Math.ceil(wantedTasks / outer);
  const columns = Math.max(minColumns, 4 * Math.ceil(inner / wanted / 4));
  const columnTasks = Math.ceil(inner / columns);
  const isFloat = result.dtype === 'f32';
  run.execute({
    key: `scatterAdd ${perElement ? 'elements' : 'rows'} ${isFloat ? 'f32' : 'i32'}`,
    build: () => scatterModule(perElement, isFloat),
    words: [
      ...[pointerOf(values), pointerOf(indices), pointerOf(result)],
      ...[length, inner, count, columns, columnTasks],
    ],
    taskCount: outer * columnTasks,
  });
}

// prettier-ignore
const words = [
  'values', 'indices', 'result', 'length', 'inner', 'count', 'columns', 'columnTasks',
] as const;

function scatterModule(perElement: boolean, isFloat: boolean) {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, words);
    const outer = f.let(task.div(w.columnTasks));
    const first = f.let(task.rem(w.columnTasks).mul(w.columns));
    const bytes = f.let(w.columns.min(w.inner.sub(first)).shl(2));
    const step = f.let(w.inner.shl(2));
    const result = f.let(w.result.add(outer.mul(w.length).mul(step)).add(first.shl(2)));
    f.loop(0, w.length, 1, (k) => fillRow(f, f.let(result.add(k.mul(step))), bytes, I32.of(0)));
    const start = f.let(outer.mul(w.count).mul(step).add(first.shl(2)));
    const value = f.let(w.values.add(start));
    const index = f.let(w.indices.add(perElement ? start : 0));
    f.loop(0, w.count, 1, () => {
      if (perElement) {
        f.loop(0, bytes, 4, (i) => {
          const row = f.let(f.i32(index.add(i)));
          const target = f.let(result.add(row.mul(step)).add(i));
          f.if(row.lt(w.length), () => addElement(f, isFloat, target, value.add(i)));
        });
      } else {
        const row = f.let(f.i32(index));
        const target = f.let(result.add(row.mul(step)));
        f.if(row.lt(w.length), () => addRow(f, isFloat, target, value, bytes));
      }
      f.set(value, value.add(step));
      f.set(index, index.add(perElement ? step : 4));
    });
  });
}

function addRow(f: FunctionBuilder, isFloat: boolean, target: I32, value: I32, bytes: I32): void {
  const i = f.loop(0, bytes, 16, (i) => {
    const to = f.let(target.add(i));
    const from = value.add(i);
    f.store(to, isFloat ? f.f32x4(to).add(f.f32x4(from)) : f.i32x4(to).add(f.i32x4(from)));
  });
  f.resume(i, bytes, 4, (i) => addElement(f, isFloat, f.let(target.add(i)), value.add(i)));
}

function addElement(f: FunctionBuilder, isFloat: boolean, to: I32, from: I32): void {
  f.store(to, isFloat ? f.f32(to).add(f.f32(from)) : f.i32(to).add(f.i32(from)));
}
