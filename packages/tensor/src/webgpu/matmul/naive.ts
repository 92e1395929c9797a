import { matmulKernel, type MatmulVariant } from './source.ts';

/** Variant 1, the reference for the others: one output an invocation, scalar loads, any adapter, any shape. */
export const naive: MatmulVariant = {
  name: 'matmul-1-naive',
  tileRows: 8,
  tileColumns: 8,
  stepK: 1,
  vectorized: false,
  make: (source) =>
    matmulKernel({
      name: 'matmul-1-naive',
      source,
      a: 'f32',
      b: 'f32',
      code: `
@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) l: vec3u) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * 8 + l.y;
  let column = p.tile_n * 8 + l.x;
  if (row >= u.m || column >= u.n) { return; }
  var acc = 0.0;
  for (var k = p.k_start; k < p.k_end; k++) {
    acc += a[p.a + ${source.transposeA ? 'k * u.m + row' : 'row * u.k + k'}]
      * b[p.b + ${source.transposeB ? 'column * u.k + k' : 'k * u.n + column'}];
  }
  let output_row = p.output_row + row;
  output[output_row * u.n + column] = finish(acc, output_row, column);
}`,
    }),
};
