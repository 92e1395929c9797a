import { sizeOf } from '../shape.ts';
import { stridedLayout, type StridedCopy } from '../strided-copy.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { I32, kernelModule, readWords, type FunctionBuilder } from './wasm/index.ts';

const elementsPerTask = 32768;

/** Moves elements of any dtype, as bits, between two strided layouts. */
export function stridedCopy(run: CpuKernelRun, copy: StridedCopy): void {
  if (copy.lengths.includes(0)) return;
  const { lengths, fromStrides, toStrides, fromOffset, toOffset } = stridedLayout(copy);
  const rank = lengths.length;
  const columns = lengths[rank - 1]!;
  const rows = sizeOf(lengths.slice(0, -1));
  const rowsPerTask = Math.max(1, Math.floor(elementsPerTask / columns));
  const isDense = fromStrides[rank - 1] === 1 && toStrides[rank - 1] === 1;
  const from = pointerOf(copy.from) + 4 * fromOffset;
  const to = pointerOf(copy.to) + 4 * toOffset;
  const inBytes = (strides: readonly number[]): number[] => strides.map((stride) => 4 * stride);
  run.execute({
    key: `copy ${rank} ${isDense ? 'dense' : 'strided'}`,
    build: () => copyModule(rank, isDense),
    words: [
      from,
      to,
      rows,
      rowsPerTask,
      ...lengths,
      ...inBytes(fromStrides),
      ...inBytes(toStrides),
    ],
    taskCount: Math.ceil(rows / rowsPerTask),
  });
}

/** A task copies some rows, the runs along the last axis; negative strides work because i32 wraps. */
function copyModule(rank: number, isDense: boolean) {
  return kernelModule((f, args, task) => {
    const { from, to, rows, rowsPerTask } = readWords(f, args, [
      'from',
      'to',
      'rows',
      'rowsPerTask',
    ]);
    const perAxis = (group: number): I32[] =>
      Array.from({ length: rank }, (_, axis) => f.let(f.i32(args, 4 * (4 + group * rank + axis))));
    const [lengths, fromStrides, toStrides] = [perAxis(0), perAxis(1), perAxis(2)];
    const last = rank - 1;
    f.eachOfTask(task, rowsPerTask, rows, (row) => {
      const [source, target, rest] = [f.let(from), f.let(to), f.let(row)];
      for (let axis = last - 1; axis >= 0; axis--) {
        const coordinate = f.let(axis === 0 ? rest : rest.rem(lengths[axis]!));
        if (axis > 0) f.set(rest, rest.div(lengths[axis]!));
        f.set(source, source.add(coordinate.mul(fromStrides[axis]!)));
        f.set(target, target.add(coordinate.mul(toStrides[axis]!)));
      }
      if (isDense) copyDense(f, source, target, lengths[last]!);
      else copyStrided(f, source, target, lengths[last]!, fromStrides[last]!, toStrides[last]!);
    });
  });
}

/** Copies `count` elements that lie side by side. */
export function copyDense(f: FunctionBuilder, source: I32, target: I32, count: I32): void {
  const move = (i: I32): [I32, I32] => [source.add(i.shl(2)), target.add(i.shl(2))];
  const i = f.loop(0, count, 4, (i) => {
    const [from, to] = move(i);
    f.store(to, f.i32x4(from));
  });
  f.resume(i, count, 1, (i) => {
    const [from, to] = move(i);
    f.store(to, f.i32(from));
  });
}

function copyStrided(
  f: FunctionBuilder,
  source: I32,
  target: I32,
  count: I32,
  fromStride: I32,
  toStride: I32,
): void {
  f.loop(0, count, 1, () => {
    f.store(target, f.i32(source));
    f.set(source, source.add(fromStride));
    f.set(target, target.add(toStride));
  });
}
