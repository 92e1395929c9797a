import { stridedCopy as copyOnCpu } from '../cpu/strided-copy.ts';
import type { Op, TensorCall } from '../op.ts';
import type { StridedCopy } from '../strided-copy.ts';
import { stridedCopy } from '../webgpu/strided-copy.ts';

/** The kernels of an op that only moves elements, from the copies that it consists of. */
export function copyKernels<P>(
  copiesOf: (call: TensorCall<P>) => StridedCopy[],
): NonNullable<Op<P>['kernels']> {
  return {
    webgpu: (run, call) => copiesOf(call).forEach((copy) => stridedCopy(run, copy)),
    cpu: (run, call) => copiesOf(call).forEach((copy) => copyOnCpu(run, copy)),
  };
}
