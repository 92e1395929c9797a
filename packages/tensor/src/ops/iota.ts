import { apply1 } from '../apply.ts';
import { writeIota } from '../cpu/fill.ts';
import type { Device } from '../device.ts';
import type { DType } from '../dtype.ts';
import { memoize } from '../memo.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';
import { elementType } from '../webgpu/wgsl.ts';

/** 0, 1, …, length − 1. */
export const iotaOp: Op<{ length: number; dtype: DType }> = {
  name: 'iota',
  infer(_, { length, dtype }) {
    checkShape('iota', [length]);
    return [{ shape: [length], dtype }];
  },
  reference: (_, { length, dtype }) => [ndarrayOf([length], (index) => index, dtype)],
  kernels: {
    cpu: (run, { outputs: [y], params: { dtype } }) => writeIota(run, y!, dtype),
    webgpu(run, { outputs: [y], params: { length, dtype } }) {
      const count = Math.ceil(length / 4);
      const groups = invocationGrid(count);
      run.dispatch(iotaKernel(dtype), [y!], [count], groups);
    },
  },
  sample(random) {
    const length = random.pick([0, 1, 2, 3, 5, 64, 257, 1021, 99991]);
    return { inputs: [], params: { length, dtype: random.pick(['f32', 'i32', 'u32'] as const) } };
  },
};

const iotaKernel = memoize((dtype: DType) =>
  kernel({
    name: 'iota',
    bindings: { destination: `write ${elementType(dtype, 4)}` },
    uniforms: { count: 'u32' },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i < u.count) { destination[i] = ${elementType(dtype, 4)}(4 * i + vec4u(0, 1, 2, 3)); }
}`,
  }),
);

/** The whole numbers from 0 to length − 1; f32 holds them exactly up to 2^24. */
export function iota(length: number, dtype: DType = 'i32', device?: Device): Tensor {
  return apply1(iotaOp, [], { length, dtype }, device);
}
