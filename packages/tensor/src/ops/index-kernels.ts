import { gatherBits as gatherOnCpu } from '../cpu/gather.ts';
import { scatterAdd as scatterAddOnCpu } from '../cpu/scatter-add.ts';
import { bitsOf, type DType } from '../dtype.ts';
import type { IndexedAxis } from '../indexed-axis.ts';
import type { Op, TensorSpec } from '../op.ts';
import type { Shape } from '../shape.ts';
import { gatherBits } from '../webgpu/gather.ts';
import { scatterAddKernel } from '../webgpu/scatter-add.ts';

/** What an index outside of the axis reads by default: NaN, so that it shows; 0 in integer tensors. */
export function missingValue(dtype: DType): number {
  return dtype === 'f32' ? NaN : 0;
}

/** @throws TypeError unless the indices are i32 */
export function checkIndices(op: string, indices: TensorSpec): void {
  if (indices.dtype !== 'i32') {
    throw new TypeError(`${op}: indices are ${indices.dtype}; expected i32`);
  }
}

/** How indices name positions of `axis` of an array. */
type AxisOf = (shape: Shape, axis: number, indices: TensorSpec) => IndexedAxis;

/** The kernels of an op that reads positions of an axis by index. */
export function gatherKernels(axisOf: AxisOf): Op<{ axis: number; missing: number }>['kernels'] {
  return {
    cpu(run, { inputs: [x, indices], outputs: [y], params: { axis, missing } }) {
      const tensors = { source: x!, indices: indices!, result: y! };
      gatherOnCpu(run, axisOf(x!.shape, axis, indices!), tensors, bitsOf(missing, x!.dtype));
    },
    webgpu(run, { inputs: [x, indices], outputs: [y], params: { axis, missing } }) {
      const tensors = { source: x!, indices: indices!, result: y! };
      gatherBits(run, axisOf(x!.shape, axis, indices!), tensors, bitsOf(missing, x!.dtype));
    },
  };
}

/** The kernels of an op that adds values at positions of an axis by index. */
export function scatterAddKernels(axisOf: AxisOf): Op<{ axis: number; length: number }>['kernels'] {
  return {
    cpu(run, { inputs: [values, indices], outputs: [y], params: { axis } }) {
      const tensors = { values: values!, indices: indices!, result: y! };
      scatterAddOnCpu(run, axisOf(y!.shape, axis, indices!), tensors);
    },
    webgpu(run, { inputs: [values, indices], outputs: [y], params: { axis } }) {
      const tensors = { values: values!, indices: indices!, result: y! };
      scatterAddKernel(run, axisOf(y!.shape, axis, indices!), tensors);
    },
  };
}
