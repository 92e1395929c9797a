import type { DType } from '../dtype.ts';
import type { ReductionShape } from '../reduction.ts';
import type { Tensor } from '../tensor.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { I32, kernelModule, readWords, type FunctionBuilder } from './wasm/index.ts';

const elementsPerTask = 16384;

/** The first index of the largest element along the middle axis. */
export function argmaxMiddleAxis(
  run: CpuKernelRun,
  { outer, length, inner }: ReductionShape,
  x: Tensor,
  y: Tensor,
): void {
  const count = outer * inner;
  const perTask = Math.max(1, Math.floor(elementsPerTask / length));
  const { dtype } = x;
  run.execute({
    key: `argmax ${dtype}`,
    build: () => argmaxModule(dtype),
    words: [pointerOf(x), pointerOf(y), count, length, inner, perTask],
    taskCount: Math.ceil(count / perTask),
  });
}

function argmaxModule(dtype: DType) {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, ['x', 'y', 'count', 'length', 'inner', 'perTask']);
    const i = f.let(task.mul(w.perTask));
    const end = f.let(i.add(w.perTask).min(w.count));
    const step = f.let(w.inner.shl(2));
    f.while(i.lt(end), () => {
      const first = i.div(w.inner).mul(w.length).mul(w.inner).add(i.rem(w.inner));
      const at = f.let(w.x.add(first.shl(2)));
      const best = f.let(at);
      const index = f.let(I32.of(0));
      f.loop(0, w.length, 1, (k) => {
        f.if(exceeds(f, dtype, at, best), () => {
          f.set(best, at);
          f.set(index, k);
        });
        f.set(at, at.add(step));
      });
      f.store(w.y.add(i.shl(2)), index);
      f.set(i, i.add(1));
    });
  });
}

/** Whether the element at `a` is larger than the one at `b`; a NaN is the largest. */
function exceeds(f: FunctionBuilder, dtype: DType, a: I32, b: I32): I32 {
  if (dtype === 'f32') {
    const other = f.let(f.f32(b));
    return f.f32(a).le(other).not().and(other.ne(other).not());
  }
  return dtype === 'i32' ? f.i32(b).ltSigned(f.i32(a)) : f.i32(a).gt(f.i32(b));
}
