import { apply } from '../apply.ts';
import { addAssignKernel as cpuKernel } from '../cpu/assign.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import { formatShape, sameShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';

const addAssignKernel = kernel({
  name: 'add-assign',
  bindings: { sums: 'write f32', value: 'read f32' },
  uniforms: { count: 'u32' },
  code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i < u.count) { sums[i] += value[i]; }
}`,
});

/** target += value, in place. */
export const addAssignOp: Op<undefined> = {
  name: 'addAssign',
  mutates: [0],
  infer([target, value]) {
    const fits = [target!, value!].every(({ dtype }) => dtype === 'f32');
    if (!fits || !sameShape(target!.shape, value!.shape)) {
      const given = [target!, value!].map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`);
      throw new ShapeError(
        `addAssign: target ${given[0]} and value ${given[1]}; needs two f32 tensors of one shape`,
      );
    }
    return [];
  },
  // References of ops in place return what the mutated inputs become.
  reference: ([target, value]) => [
    ndarray(
      target!.shape,
      target!.data.map((t, i) => t + value!.data[i]!),
    ),
  ],
  kernels: {
    cpu: cpuKernel,
    webgpu(run, { inputs }) {
      const count = inputs[0]!.size;
      run.dispatch(addAssignKernel, [...inputs], [count], invocationGrid(count));
    },
  },
  sample(random) {
    const shape = random.shape(2, 129);
    return { inputs: [random.normals(shape), random.normals(shape)], params: undefined };
  },
};

/**
 * Adds to a tensor in place, for counters and running sums that outlive a step; not differentiable.
 * @throws ShapeError unless both are f32 and of one shape
 */
export function addAssign(target: Tensor, value: Tensor): void {
  apply(addAssignOp, [target, value], undefined);
}
