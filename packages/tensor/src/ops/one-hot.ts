import { apply1 } from '../apply.ts';
import { writeOneHot } from '../cpu/fill.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';

/** 1 where the new last axis equals the index, 0 elsewhere. */
export const oneHotOp: Op<{ depth: number }> = {
  name: 'oneHot',
  infer([indices], { depth }) {
    checkShape('oneHot', [depth]);
    if (indices!.dtype !== 'i32') {
      throw new TypeError(`oneHot: indices are ${indices!.dtype}; expected i32`);
    }
    return [{ shape: [...indices!.shape, depth], dtype: 'f32' }];
  },
  reference([indices], { depth }) {
    const value = (index: number) =>
      indices!.data[Math.floor(index / depth)] === index % depth ? 1 : 0;
    return [ndarrayOf([...indices!.shape, depth], value)];
  },
  kernels: {
    cpu: (run, { inputs: [indices], outputs: [y], params: { depth } }) =>
      writeOneHot(run, indices!, y!, depth),
    webgpu(run, { inputs: [indices], outputs: [y], params: { depth } }) {
      const groups = invocationGrid(y!.size);
      run.dispatch(oneHotKernel, [indices!, y!], [y!.size, depth], groups);
    },
  },
  sample(random) {
    const depth = random.length(65);
    const shape = random.shape(random.integer(0, 3), 17);
    // One past either end: such an index gives a row of zeros.
    return { inputs: [random.integers(shape, -1, depth)], params: { depth } };
  },
};

const oneHotKernel = kernel({
  name: 'oneHot',
  bindings: { indices: 'read i32', destination: 'write f32' },
  uniforms: { count: 'u32', depth: 'u32' },
  code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  destination[i] = select(0.0, 1.0, u32(indices[i / u.depth]) == i % u.depth);
}`,
});

/**
 * Indices as unit vectors; an index outside [0, depth) gives zeros.
 * @param indices i32 [...]
 * @returns f32 [..., depth]
 */
export function oneHot(indices: Tensor, depth: number): Tensor {
  return apply1(oneHotOp, [indices], { depth });
}
