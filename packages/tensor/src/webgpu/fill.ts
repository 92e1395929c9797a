import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type KernelRun } from './kernel.ts';

/** Writes the same 32 bits into every element. */
export function fillBits(run: KernelRun, to: Tensor, bits: number): void {
  const count = Math.ceil(to.size / 4);
  run.dispatch(fillKernel, [to], [count, bits], invocationGrid(count));
}

const fillKernel = kernel({
  name: 'fill',
  bindings: { destination: 'write vec4u' },
  uniforms: { count: 'u32', bits: 'u32' },
  code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i < u.count) { destination[i] = vec4u(u.bits); }
}`,
});
