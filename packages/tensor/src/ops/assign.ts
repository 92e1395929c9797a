import { apply } from '../apply.ts';
import { assignKernel as cpuKernel } from '../cpu/assign.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import { formatShape, sameShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';

// Words, so that any dtype and any NaN is copied bit by bit.
const assignKernel = kernel({
  name: 'assign',
  bindings: { copy: 'write u32', source: 'read u32' },
  uniforms: { count: 'u32' },
  code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i < u.count) { copy[i] = source[i]; }
}`,
});

/** target ← value, in place. */
export const assignOp: Op<undefined> = {
  name: 'assign',
  mutates: [0],
  infer([target, value]) {
    if (!sameShape(target!.shape, value!.shape) || target!.dtype !== value!.dtype) {
      throw new ShapeError(
        `assign: target ${target!.dtype} ${formatShape(target!.shape)} and ` +
          `value ${value!.dtype} ${formatShape(value!.shape)} differ`,
      );
    }
    return [];
  },
  reference: ([target, value]) => [ndarray(target!.shape, value!.data, target!.dtype)],
  kernels: {
    cpu: cpuKernel,
    webgpu(run, { inputs }) {
      const count = inputs[0]!.size;
      run.dispatch(assignKernel, [...inputs], [count], invocationGrid(count));
    },
  },
  sample(random) {
    const shape = random.shape(2, 129);
    const values = () =>
      random.uniform() < 0.5 ? random.normals(shape) : random.uniforms(shape, -1e30, 1e30);
    return {
      inputs: [values(), values()],
      params: undefined,
      tolerance: { absolute: 0, relative: 0 },
    };
  },
};

/**
 * Overwrites a tensor with the values of another, on the device; not differentiable.
 * @throws ShapeError unless shapes and dtypes agree
 */
export function assign(target: Tensor, value: Tensor): void {
  apply(assignOp, [target, value], undefined);
}
