import type { DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { castLanes, storeLanes, type Lanes4 } from './pointwise/primitives.ts';
import { F32, I32, I32x4, kernelModule, readWords, type FunctionBuilder } from './wasm/index.ts';

const elementsPerTask = 32768;

/** Writes the same 32 bits into every element. */
export function fillBits(run: CpuKernelRun, to: Tensor, bits: number): void {
  writeElements(run, 'fill', to, bits, (_, word) => word.splat());
}

/** Writes 0, 1, 2, … */
export function writeIota(run: CpuKernelRun, to: Tensor, dtype: DType): void {
  writeElements(run, `iota ${dtype}`, to, 0, (first) =>
    castLanes(first.splat().add(I32x4.lanes([0, 1, 2, 3])), 'u32', dtype),
  );
}

/** Writes four elements at a time: `value` of the first one's index and of a parameter. */
function writeElements(
  run: CpuKernelRun,
  key: string,
  to: Tensor,
  parameter: number,
  value: (first: I32, parameter: I32) => Lanes4,
): void {
  run.execute({
    key,
    build: () =>
      kernelModule((f, args, task) => {
        const w = readWords(f, args, ['to', 'count', 'parameter']);
        const i = f.let(task.mul(elementsPerTask));
        const end = f.let(i.add(elementsPerTask).min(w.count));
        f.while(i.lt(end), () => {
          const target = f.let(w.to.add(i.shl(2)));
          storeLanes(f, target, f.let(end.sub(i).shl(2)), f.let(value(i, w.parameter)));
          f.set(i, i.add(4));
        });
      }),
    words: [pointerOf(to), to.size, parameter],
    taskCount: Math.ceil(to.size / elementsPerTask),
  });
}

/** Rows of `depth` zeros with a 1 at each row's index. */
export function writeOneHot(run: CpuKernelRun, indices: Tensor, to: Tensor, depth: number): void {
  fillBits(run, to, 0);
  run.execute({
    key: 'oneHot',
    build: () =>
      kernelModule((f, args, task) => {
        const w = readWords(f, args, ['indices', 'to', 'count', 'depth']);
        f.eachOfTask(task, elementsPerTask, w.count, (i) => {
          const index = f.let(f.i32(w.indices.add(i.shl(2))));
          const target = w.to.add(i.mul(w.depth).add(index).shl(2));
          // A negative index wraps to a huge one.
          f.if(index.lt(w.depth), () => f.store(target, F32.of(1)));
        });
      }),
    words: [pointerOf(indices), pointerOf(to), indices.size, depth],
    taskCount: Math.ceil(indices.size / elementsPerTask),
  });
}

/** Writes `bits` into `bytes` bytes, exactly. */
export function fillRow(f: FunctionBuilder, target: I32, bytes: I32, bits: I32): void {
  const offset = f.let(I32.of(0));
  f.while(offset.lt(bytes), () => {
    storeLanes(f, f.let(target.add(offset)), f.let(bytes.sub(offset)), f.let(bits.splat()));
    f.set(offset, offset.add(16));
  });
}
