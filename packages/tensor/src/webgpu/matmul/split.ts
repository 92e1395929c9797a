import type { Storage } from '../../device.ts';
import type { Expression } from '../../expression/ast.ts';
import { WeakMemo } from '../../memo.ts';
import type { Tensor } from '../../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type Kernel, type KernelRun } from '../kernel.ts';
import { epilogueKey, epilogueUniforms, epilogueWgsl, type Epilogue } from './epilogue.ts';

const kernels = new WeakMemo<Expression, Kernel>();

/** Adds the partial sums of slices of k in their order, so that the result never varies, and finishes them. */
export function sumSlices(
  run: KernelRun,
  partial: Storage,
  output: Tensor,
  shape: { rows: number; n: number; slices: number; firstRow: number },
  epilogue: Epilogue,
): void {
  const { rows, n, slices, firstRow } = shape;
  const T = n % 4 === 0 ? 'vec4f' : 'f32';
  const columns = T === 'vec4f' ? n / 4 : n;
  const key = T + epilogueKey(epilogue);
  run.dispatch(
    kernels.get(epilogue.expression, key, () => make(epilogue, T)),
    [partial, output, ...epilogue.tensors],
    [rows * columns, columns, slices, firstRow, ...epilogueUniforms(epilogue, T)],
    invocationGrid(rows * columns),
  );
}

function make(epilogue: Epilogue, T: 'f32' | 'vec4f'): Kernel {
  const extra = epilogueWgsl(epilogue, T);
  return kernel({
    name: 'matmul-sum-slices',
    bindings: { partial: `read ${T}`, output: `write ${T}`, ...extra.bindings },
    uniforms: { size: 'u32', columns: 'u32', slices: 'u32', firstRow: 'u32', ...extra.uniforms },
    code: `${extra.code}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, groups) * ${workgroupSize} + l;
  if (i >= u.size) { return; }
  var acc = ${T}(0);
  for (var slice = 0u; slice < u.slices; slice++) { acc += partial[slice * u.size + i]; }
  let row = u.firstRow + i / u.columns;
  let column = i % u.columns;
  output[row * u.columns + column] = finish(acc, row, column);
}`,
  });
}
