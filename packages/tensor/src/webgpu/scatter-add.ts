import type { DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import type { IndexedAxis } from './gather.ts';
import { kernel, linearGrid, memoizeKernel, type KernelRun } from './kernel.ts';

const workgroupSize = 64;

/**
 * result[o, l, i] = Σ values[o, j, i] over the positions j whose index is l, in the order of j: each output
 * element looks through all indices itself, so that no atomics make the sum's order a matter of chance.
 */
export function scatterAddByScan(
  run: KernelRun,
  axis: IndexedAxis,
  tensors: { values: Tensor; indices: Tensor; result: Tensor },
): void {
  const width = !axis.perElement && axis.inner % 4 === 0 ? 4 : 1;
  const inner = axis.inner / width;
  const total = axis.outer * axis.length * inner;
  run.dispatch(
    scanKernel(width, axis.perElement, tensors.values.dtype),
    [tensors.values, tensors.indices, tensors.result],
    [total, axis.length, inner, axis.count],
    linearGrid(Math.ceil(total / workgroupSize)),
  );
}

const vec4Of = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' } as const;

const scanKernel = memoizeKernel((width: number, perElement: boolean, dtype: DType) => {
  const element = width === 4 ? vec4Of[dtype] : dtype;
  return kernel({
    name: 'scatterAdd',
    bindings: { values: `read ${element}`, indices: 'read i32', result: `write ${element}` },
    uniforms: { total: 'u32', length: 'u32', inner: 'u32', count: 'u32' },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let e = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (e >= u.total) { return; }
  let i = e % u.inner;
  let position = i32(e / u.inner % u.length);
  let row = e / u.inner / u.length * u.count;
  var sum = ${element}(0);
  for (var j = 0u; j < u.count; j++) {
    let at = (row + j) * u.inner + i;
    if (indices[${perElement ? 'at' : 'j'}] == position) { sum += values[at]; }
  }
  result[e] = sum;
}`,
  });
});
