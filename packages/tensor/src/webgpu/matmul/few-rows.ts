import type { Kernel } from '../kernel.ts';
import { lines } from '../wgsl.ts';
import { alongK, fourRowsOfB, storeQuad } from './quads.ts';
import { alignedType, matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

/** vec4s of an output row in a workgroup's tile. */
const quads = 16;
/** Invocations that share the sums of a vec4, each with steps of k of its own. */
const parts = 16;

/**
 * Variant 6, for GPUs and products of few rows, as when tokens are decoded one by one: each value of b serves few sums, so
 * that reading b is all of the work. It is spread over as many invocations as possible, along k too; only their sums meet
 * in workgroup memory (4 KiB a row), once.
 * @param rows output rows of a workgroup, at most 4
 */
export function fewRows(rows: number): MatmulVariant {
  const name = `matmul-6-few-rows-${rows}`;
  return {
    name,
    tileRows: rows,
    tileColumns: 4 * quads,
    stepK: 4,
    // A workgroup cuts k itself.
    shortestSlice: 1024,
    vectorized: true,
    make: (source) => make(name, source, rows),
  };
}

function make(name: string, source: MatmulSource, rows: number): Kernel {
  const eachRow = (line: (r: number) => string) => lines(rows, line);
  return matmulKernel({
    name,
    source,
    a: source.alignedA && !source.transposeA ? 'vec4f' : 'f32',
    b: alignedType(source),
    code: `
var<workgroup> partial: array<vec4f, ${parts * rows * quads}>;

@compute @workgroup_size(${parts * quads})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${rows};
  let column = (p.tile_n * ${quads} + l % ${quads}) * 4;
  let part = l / ${quads};
  ${eachRow((r) => `let row${r} = min(row + ${r}, u.m - 1); var acc${r} = vec4f(0);`)}
  for (var k = p.k_start + part * 4; k < p.k_end; k += ${parts * 4}) {
    ${fourRowsOfB(source)}
    ${eachRow((r) => `{ let x = ${alongK(source, `row${r}`)}; acc${r} += x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3; }`)}
  }
  ${eachRow((r) => `partial[(part * ${rows} + ${r}) * ${quads} + l % ${quads}] = acc${r};`)}
  workgroupBarrier();
  // The first invocations each finish one vec4 of the tile.
  if (l >= ${rows * quads} || row + part >= u.m) { return; }
  var sums = vec4f(0);
  for (var i = 0u; i < ${parts}; i++) { sums += partial[i * ${rows * quads} + l]; }
  let output_row = p.output_row + row + part;
  ${storeQuad(source, 'sums')}
}`,
  });
}
