import type { IndexedAxis } from '../indexed-axis.ts';
import type { Tensor } from '../tensor.ts';
import { fillRow } from './fill.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { copyDense } from './strided-copy.ts';
import { kernelModule, readWords } from './wasm/index.ts';

const elementsPerTask = 16384;

/** result[o, j, i] = source[o, index, i], or `missing` bits where the index is outside of the axis. */
export function gatherBits(
  run: CpuKernelRun,
  { outer, length, inner, count, perElement }: IndexedAxis,
  { source, indices, result }: { source: Tensor; indices: Tensor; result: Tensor },
  missing: number,
): void {
  const rows = inner === 0 ? 0 : outer * count;
  const rowsPerTask = Math.max(1, Math.floor(elementsPerTask / Math.max(1, inner)));
  run.execute({
    key: `gather ${perElement ? 'elements' : 'rows'}`,
    build: () => gatherModule(perElement),
    words: [
      ...[pointerOf(source), pointerOf(indices), pointerOf(result), missing],
      ...[length, inner, count, rows, rowsPerTask],
    ],
    taskCount: Math.ceil(rows / rowsPerTask),
  });
}

// prettier-ignore
const words = [
  'source', 'indices', 'result', 'missing', 'length', 'inner', 'count', 'rows', 'rowsPerTask',
] as const;

/** A task writes some rows [i] of the result. Negative indices wrap to huge ones. */
function gatherModule(perElement: boolean) {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, words);
    const bytes = f.let(w.inner.shl(2));
    f.eachOfTask(task, w.rowsPerTask, w.rows, (row) => {
      const outer = f.let(row.div(w.count));
      const target = f.let(w.result.add(row.mul(bytes)));
      const source = f.let(w.source.add(outer.mul(w.length).mul(bytes)));
      if (perElement) {
        const indices = f.let(w.indices.add(row.mul(bytes)));
        f.loop(0, bytes, 4, (i) => {
          const index = f.let(f.i32(indices.add(i)));
          const value = f.let(w.missing);
          const from = source.add(index.mul(bytes)).add(i);
          f.if(index.lt(w.length), () => f.set(value, f.i32(from)));
          f.store(target.add(i), value);
        });
      } else {
        const position = row.sub(outer.mul(w.count));
        const index = f.let(f.i32(w.indices.add(position.shl(2))));
        f.if(
          index.lt(w.length),
          () => copyDense(f, f.let(source.add(index.mul(bytes))), target, w.inner),
          () => fillRow(f, target, bytes, w.missing),
        );
      }
    });
  });
}
