import type { Storage } from '../device.ts';
import { bytesPerElement, type DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import type { Reduction, ReductionShape } from '../reduction.ts';
import { floatWord } from './command-list.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { Reducer } from './reducer.ts';
import { kernelModule, readWords } from './wasm/index.ts';

/** Elements of a row, or rows of a column, that are added up at a stretch; longer ones take a second pass. */
const rowChunk = 4096;
const columnChunk = 256;
const elementsPerTask = 32768;
const columnsPerTask = 4096;

/**
 * Reduces the middle axis of [outer, length, inner]. Long axes are cut into chunks whose results are reduced
 * again: the order of additions follows from the shape alone, and rounding errors stay small.
 * @param count elements behind one output over all passes, for the mean
 */
export function reduceMiddleAxis(
  run: CpuKernelRun,
  reduction: Reduction,
  dtype: DType,
  { outer, length, inner }: ReductionShape,
  input: Tensor | Storage,
  output: Tensor | Storage,
  count = length,
): void {
  const chunk = inner === 1 ? rowChunk : columnChunk;
  const chunks = Math.max(1, Math.ceil(length / chunk));
  const isLast = chunks === 1;
  const target = isLast ? output : run.temporary(outer * chunks * inner * bytesPerElement);
  const kind = reduction === 'mean' && !isLast ? 'sum' : reduction;
  const groups = outer * chunks;
  const perGroup = Math.max(1, Math.min(length, chunk)) * Math.min(inner, columnsPerTask);
  const groupsPerTask = Math.max(1, Math.floor(elementsPerTask / perGroup));
  const columnTasks = Math.ceil(inner / columnsPerTask);
  const [x, y] = [pointerOf(input), pointerOf(target)];
  const sizes = [groups, length, chunk, chunks, inner, groupsPerTask, columnTasks];
  run.execute({
    key: `reduce ${kind} ${dtype} ${inner === 1 ? 'rows' : 'columns'}`,
    build: () => reduceModule(kind, dtype, inner === 1),
    words: [x, y, ...sizes, floatWord(1 / count)],
    taskCount: Math.ceil(groups / groupsPerTask) * columnTasks,
  });
  if (isLast) return;
  const rest = { outer, length: chunks, inner };
  reduceMiddleAxis(run, reduction, dtype, rest, target, output, count);
}

// prettier-ignore
const words = [
  'x', 'y', 'groups', 'length', 'chunk', 'chunks', 'inner', 'groupsPerTask', 'columnTasks', 'scale',
] as const;

/** A task reduces some groups: a group is one chunk of one outer index, and gives `inner` results. */
function reduceModule(reduction: Reduction, dtype: DType, isRows: boolean) {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, words);
    const group = f.let(task.div(w.columnTasks).mul(w.groupsPerTask));
    const endGroup = f.let(group.add(w.groupsPerTask).min(w.groups));
    const firstColumn = f.let(task.rem(w.columnTasks).mul(columnsPerTask));
    const endColumn = f.let(firstColumn.add(columnsPerTask).min(w.inner));
    const reducer = new Reducer(
      f,
      reduction,
      dtype,
      f.let(f.splat(args, 4 * words.indexOf('scale'))),
    );
    f.while(group.lt(endGroup), () => {
      const begin = f.let(group.rem(w.chunks).mul(w.chunk));
      const rows = f.let(w.chunk.min(w.length.sub(begin)));
      const first = f.let(group.div(w.chunks).mul(w.length).add(begin).mul(w.inner).shl(2));
      const source = f.let(w.x.add(first));
      const target = f.let(w.y.add(group.mul(w.inner).shl(2)));
      if (isRows) {
        reducer.row(source, rows, target);
      } else {
        const column = f.let(firstColumn.shl(2));
        const end = f.let(endColumn.shl(2));
        const step = f.let(w.inner.shl(2));
        const sweep = (vectors: number): void =>
          reducer.columns(
            source.add(column),
            rows,
            step,
            target.add(column),
            end.sub(column),
            vectors,
          );
        f.while(column.add(64).le(end), () => {
          sweep(4);
          f.set(column, column.add(64));
        });
        f.while(column.lt(end), () => {
          sweep(1);
          f.set(column, column.add(16));
        });
      }
      f.set(group, group.add(1));
    });
  });
}
