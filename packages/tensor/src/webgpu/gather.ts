import type { IndexedAxis } from '../indexed-axis.ts';
import { memoize } from '../memo.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type KernelRun } from './kernel.ts';
import { elementType } from './wgsl.ts';

/** result[o, j, i] = source[o, index, i], or `missing` bits where the index is outside of the axis. */
export function gatherBits(
  run: KernelRun,
  axis: IndexedAxis,
  tensors: { source: Tensor; indices: Tensor; result: Tensor },
  missing: number,
): void {
  const width = !axis.perElement && axis.inner % 4 === 0 ? 4 : 1;
  const inner = axis.inner / width;
  const total = axis.outer * axis.count * inner;
  run.dispatch(
    gatherKernel(width, axis.perElement),
    [tensors.source, tensors.indices, tensors.result],
    [total, axis.length, inner, axis.count, missing],
    invocationGrid(total),
  );
}

// A negative index wraps to a huge u32, so that one comparison checks both ends.
const gatherKernel = memoize((width: number, perElement: boolean) => {
  const element = elementType('u32', width);
  return kernel({
    name: 'gather',
    bindings: { source: `read ${element}`, indices: 'read i32', result: `write ${element}` },
    uniforms: { total: 'u32', length: 'u32', inner: 'u32', count: 'u32', missing: 'u32' },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let e = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (e >= u.total) { return; }
  let i = e % u.inner;
  let j = e / u.inner % u.count;
  let o = e / u.inner / u.count;
  let index = u32(indices[${perElement ? 'e' : 'j'}]);
  var value = ${element}(u.missing);
  if (index < u.length) { value = source[(o * u.length + index) * u.inner + i]; }
  result[e] = value;
}`,
  });
});
