import type { Kernel } from '../kernel.ts';
import { lines } from '../wgsl.ts';
import { loadA, loadB } from './guarded-loads.ts';
import { declareSlab, depth, fillSlab, readSlab, type Slab } from './slab.ts';
import { alignedType, matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

/** Invocations of a workgroup, 16 × 16 over the tile. */
const invocations = 256;

/**
 * Variants 3 and 4, for GPUs: a 64 × 64 or 128 × 128 tile of the output for 16 × 16 invocations of 4 × 4 or 8 × 8
 * each, with slabs of a and b, 16 deep along k, in workgroup memory (8 or 16 KiB).
 */
export const tile = tileVariant('matmul-3-tile', 64);
export const largeTile = tileVariant('matmul-4-large-tile', 128);

function tileVariant(name: string, side: 64 | 128): MatmulVariant {
  return {
    name,
    tileRows: side,
    tileColumns: side,
    stepK: depth,
    vectorized: true,
    make: (source) => make(name, source, side),
  };
}

function make(name: string, source: MatmulSource, side: number): Kernel {
  const { transposeA, transposeB } = source;
  /** vec4s of a slab's row, and those of one invocation. */
  const quads = side / 4;
  const own = quads / 16;
  const a: Slab = { name: 'slab_a', quads, alongK: !transposeA, load: loadA(source) };
  const b: Slab = { name: 'slab_b', quads, alongK: transposeB, load: loadB(source) };
  return matmulKernel({
    name,
    source,
    a: source.alignedA ? 'vec4f' : 'f32',
    b: alignedType(source),
    code: `
${declareSlab(a)}
${declareSlab(b)}

@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${side};
  let column = p.tile_n * ${side};
  let own_row = l / 16;
  let own_column = l % 16;
  ${lines(4 * own * own, (i) => `var acc${i} = vec4f(0);`)}
  for (var k = p.k_start; k < p.k_end; k += ${depth}) {
    ${fillSlab(a, invocations)}
    ${fillSlab(b, invocations)}
    workgroupBarrier();
    for (var part = 0u; part < ${depth / 4}; part++) {
      ${readSlab(a, 'x', 'own_row', own)}
      ${readSlab(b, 'y', 'own_column', own)}
      ${lines(4, (step) => lines(4 * own * own, (i) => accumulate(step, i, own), '\n      '), '\n      ')}
    }
    workgroupBarrier();
  }
  ${lines(4 * own * own, (i) => store(source, i, own))}
}`,
  });
}

/** Sum i of an invocation is row ⌊i / own⌋ of its rows, and vec4 i mod own of its columns. */
function accumulate(step: number, i: number, own: number): string {
  const row = Math.floor(i / own);
  return `acc${i} += x${step}_${Math.floor(row / 4)}[${row % 4}] * y${step}_${i % own};`;
}

function store({ aligned }: MatmulSource, i: number, own: number): string {
  const row = Math.floor(i / own);
  const position = `let at_row = row + (own_row + ${16 * Math.floor(row / 4)}) * 4 + ${row % 4};
    let at_column = column + (own_column + ${16 * (i % own)}) * 4;
    let output_row = p.output_row + at_row;`;
  const body = aligned
    ? `if (at_row < u.m && at_column < u.n) {
      output[(output_row * u.n + at_column) / 4] = finish(acc${i}, output_row, at_column / 4);
    }`
    : `for (var j = 0u; j < 4 && at_row < u.m && at_column + j < u.n; j++) {
      output[output_row * u.n + at_column + j] = finish(acc${i}[j], output_row, at_column + j);
    }`;
  return `{
    ${position}
    ${body}
  }`;
}
