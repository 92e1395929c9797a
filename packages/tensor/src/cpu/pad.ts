import { stridesOf } from '../shape.ts';
import { indexOf } from '../coordinates.ts';
import type { Tensor } from '../tensor.ts';
import { fillBits } from './fill.ts';
import type { CpuKernelRun } from './kernel.ts';
import { stridedCopy } from './strided-copy.ts';

/** Writes `from` surrounded by `bits`, `before[axis]` elements of them in front. */
export function padBits(
  run: CpuKernelRun,
  { from, to, before, bits }: { from: Tensor; to: Tensor; before: readonly number[]; bits: number },
): void {
  if (from.size < to.size) fillBits(run, to, bits);
  stridedCopy(run, {
    lengths: from.shape,
    from,
    fromStrides: stridesOf(from.shape),
    to,
    toOffset: indexOf(before, to.shape),
    toStrides: stridesOf(to.shape),
  });
}
