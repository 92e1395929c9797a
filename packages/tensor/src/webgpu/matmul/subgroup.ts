import type { Kernel } from '../kernel.ts';
import { lines } from '../wgsl.ts';
import { alongK, fourRowsOfB, storeQuad } from './quads.ts';
import { matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

/**
 * Variant 2, for software adapters: the workgroup is one subgroup, with no barrier and no workgroup memory, which
 * they emulate slowly. Each lane loads four values along k of its rows of a, and all lanes take these in turn
 * by broadcast against four rows of b, of which a lane owns `4 · quads` columns.
 *
 * There each lane of a load is a load and a bounds check of its own, which cost as much as dozens of vector
 * multiply-adds: a value of a is used by all columns of the tile, one of b by all rows, so large tiles win, even though their
 * sums do not fit in registers.
 * @param lanes the adapter's one subgroup size
 * @param rows output rows of a workgroup
 * @param quads vec4s of an output row that a lane owns
 */
export function subgroup(lanes: number, rows: number, quads = 1): MatmulVariant {
  const name = `matmul-2-subgroup-${lanes}-${rows}x${lanes * 4 * quads}`;
  return {
    name,
    tileRows: rows,
    tileColumns: lanes * 4 * quads,
    stepK: 4,
    vectorized: true,
    make: (source) => make(name, source, lanes, rows, quads),
  };
}

const inLoop = (count: number, line: (i: number) => string) => lines(count, line, '\n    ');

function make(
  name: string,
  source: MatmulSource,
  lanes: number,
  rows: number,
  quads: number,
): Kernel {
  const { aligned } = source;
  const a = loadsOfA(source, lanes, rows);
  // Not `acc += x.x * b0 + …` in vec4s, which says the same: SwiftShader's compiler has four registers for a vec4, so that
  // it spills each product, while the running sum of one component stays in a register.
  const multiplyAdd = (r: number, q: number) => {
    const sum = `acc${r * quads + q}`;
    const component = (c: string) =>
      `${sum}.${c} + x.x * b0.${c} + x.y * b1.${c} + x.z * b2.${c} + x.w * b3.${c}`;
    return `{
      let x = ${a.row(r)};
      ${sum} = vec4f(${['x', 'y', 'z', 'w'].map(component).join(', ')});
    }`;
  };
  return matmulKernel({
    name,
    source,
    a: a.type,
    b: aligned ? 'vec4f' : 'f32',
    enable: 'enable subgroups;',
    code: `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${rows};
  ${a.rows}
  let first_column = (p.tile_n * ${lanes * quads} + lane) * 4;
  ${inLoop(rows * quads, (i) => `var acc${i} = vec4f(0);`)}
  for (var k = p.k_start; k < p.k_end; k += 4) {
    ${a.loads}
    ${inLoop(
      quads,
      (q) => `{
    let column = first_column + ${q * lanes * 4};
    ${fourRowsOfB(source)}
    ${inLoop(rows, (r) => multiplyAdd(r, q))}
    }`,
    )}
  }
  // A loop, since drivers compile for seconds when each row has its own copy of the epilogue.
  var sums = array<vec4f, ${rows * quads}>(${lines(rows * quads, (i) => `acc${i}`, ', ')});
  for (var i = 0u; i < ${rows * quads}; i++) {
    let column = first_column + (i % ${quads}) * ${lanes * 4};
    if (row + i / ${quads} >= u.m) { break; }
    let output_row = p.output_row + row + i / ${quads};
    ${storeQuad(source, 'sums[i]')}
  }
}`,
  });
}

interface LoadsOfA {
  readonly type: 'f32' | 'vec4f';
  /** Before the loop over k: the rows that a lane loads. */
  readonly rows: string;
  /** In the loop: this lane's values for k … k + 3. */
  readonly loads: string;
  /** The four values along k of the tile's row r, in all lanes. */
  row(r: number): string;
}

function loadsOfA(source: MatmulSource, lanes: number, rows: number): LoadsOfA {
  const { transposeA, alignedA } = source;
  if (transposeA && alignedA && rows % 4 === 0) return loadsAlongRows(lanes, rows);
  const registers = Math.ceil(rows / lanes);
  return {
    type: alignedA && !transposeA ? 'vec4f' : 'f32',
    rows: lines(registers, (g) => `let a_row${g} = min(row + ${g * lanes} + lane, u.m - 1);`),
    loads: inLoop(registers, (g) => `let a${g} = ${alongK(source, `a_row${g}`)};`),
    row: (r) => `subgroupBroadcast(a${Math.floor(r / lanes)}, ${r % lanes}u)`,
  };
}

/** Where a is stored as [k, m]: a vec4 holds four rows of the tile at one k. */
function loadsAlongRows(lanes: number, rows: number): LoadsOfA {
  const registers = Math.ceil(rows / (4 * lanes));
  const load = (g: number, i: number) => `a[(p.a + (k + ${i}) * u.m + a_row${g}) / 4]`;
  const steps = [0, 1, 2, 3];
  return {
    type: 'vec4f',
    rows: lines(registers, (g) => `let a_row${g} = min(row + (${g * lanes} + lane) * 4, u.m - 4);`),
    loads: inLoop(registers, (g) => steps.map((i) => `let a${g}_${i} = ${load(g, i)};`).join(' ')),
    row(r) {
      const [g, lane] = [Math.floor(r / (4 * lanes)), Math.floor(r / 4) % lanes];
      const parts = steps.map((i) => `subgroupBroadcast(a${g}_${i}[${r % 4}], ${lane}u)`);
      return `vec4f(${parts.join(', ')})`;
    },
  };
}
