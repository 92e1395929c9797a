import type { Kernel } from '../kernel.ts';
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

const list = (count: number, line: (i: number) => string, separator = '\n    ') =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

function make(
  name: string,
  source: MatmulSource,
  lanes: number,
  rows: number,
  quads: number,
): Kernel {
  const { transposeB, aligned, alignedA } = source;
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
    a: alignedA ? 'vec4f' : 'f32',
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
  ${list(rows * quads, (i) => `var acc${i} = vec4f(0);`)}
  for (var k = p.k_start; k < p.k_end; k += 4) {
    ${a.loads}
    ${list(
      quads,
      (q) => `{
    let column = first_column + ${q * lanes * 4};
    ${loadB(transposeB, aligned)}
    ${list(rows, (r) => multiplyAdd(r, q))}
    }`,
    )}
  }
  // A loop, since drivers compile for seconds when each row has its own copy of the epilogue.
  var sums = array<vec4f, ${rows * quads}>(${list(rows * quads, (i) => `acc${i}`, ', ')});
  for (var i = 0u; i < ${rows * quads}; i++) {
    let column = first_column + (i % ${quads}) * ${lanes * 4};
    if (row + i / ${quads} >= u.m) { break; }
    let output_row = p.output_row + row + i / ${quads};
    ${store(aligned)}
  }
}`,
  });
}

interface LoadsOfA {
  /** Before the loop over k: the rows that a lane loads. */
  readonly rows: string;
  /** In the loop: this lane's values for k … k + 3. */
  readonly loads: string;
  /** The four values along k of the tile's row r, in all lanes. */
  row(r: number): string;
}

function loadsOfA(source: MatmulSource, lanes: number, rows: number): LoadsOfA {
  if (source.transposeA && source.alignedA) return loadsAlongRows(lanes, rows);
  const registers = Math.ceil(rows / lanes);
  return {
    rows: list(
      registers,
      (g) => `let a_row${g} = min(row + ${g * lanes} + lane, u.m - 1);`,
      '\n  ',
    ),
    loads: list(registers, (g) => `let a${g} = ${loadAlongK(source, g)};`),
    row: (r) => `subgroupBroadcast(a${Math.floor(r / lanes)}, ${r % lanes}u)`,
  };
}

/** Where a is stored as [k, m]: a vec4 holds four rows of the tile at one k. */
function loadsAlongRows(lanes: number, rows: number): LoadsOfA {
  const registers = Math.ceil(rows / (4 * lanes));
  const load = (g: number, i: number) => `a[(p.a + (k + ${i}) * u.m + a_row${g}) / 4]`;
  const steps = [0, 1, 2, 3];
  return {
    rows: list(
      registers,
      (g) => `let a_row${g} = min(row + (${g * lanes} + lane) * 4, u.m - 4);`,
      '\n  ',
    ),
    loads: list(registers, (g) => steps.map((i) => `let a${g}_${i} = ${load(g, i)};`).join(' ')),
    row(r) {
      const [g, lane] = [Math.floor(r / (4 * lanes)), Math.floor(r / 4) % lanes];
      const parts = steps.map((i) => `subgroupBroadcast(a${g}_${i}[${r % 4}], ${lane}u)`);
      return `vec4f(${parts.join(', ')})`;
    },
  };
}

/** Four values along k of this lane's row; zeros past the end of k. */
function loadAlongK({ transposeA, aligned, alignedA }: MatmulSource, g: number): string {
  if (alignedA) return `a[(p.a + a_row${g} * u.k + k) / 4]`;
  const parts = [0, 1, 2, 3].map((i) => {
    const at = aligned ? `(k + ${i})` : `min(k + ${i}, u.k - 1)`;
    const load = transposeA
      ? `a[p.a + ${at} * u.m + a_row${g}]`
      : `a[p.a + a_row${g} * u.k + ${at}]`;
    return aligned || i === 0 ? load : `select(0, ${load}, k + ${i} < p.k_end)`;
  });
  return `vec4f(${parts.join(', ')})`;
}

/** b0 … b3: the lane's four columns of rows k … k + 3 of b. */
function loadB(transposeB: boolean, aligned: boolean): string {
  const four = [0, 1, 2, 3];
  const parts = ['x', 'y', 'z', 'w'];
  if (aligned && !transposeB) {
    return four
      .map((i) => `let b${i} = b[(p.b + (k + ${i}) * u.n + min(column, u.n - 4)) / 4];`)
      .join('\n    ');
  }
  if (aligned) {
    // Four values along k for each column, then the 4 × 4 block transposed; free in a struct-of-lanes machine.
    const loads = four.map(
      (j) => `let t${j} = b[(p.b + min(column + ${j}, u.n - 1) * u.k + k) / 4];`,
    );
    const turned = four.map(
      (i) => `let b${i} = vec4f(${four.map((j) => `t${j}.${parts[i]}`).join(', ')});`,
    );
    return [...loads, ...turned].join('\n    ');
  }
  return four
    .map((i) => {
      const values = four.map((j) => {
        const column = `min(column + ${j}, u.n - 1)`;
        const row = `min(k + ${i}, u.k - 1)`;
        return transposeB
          ? `b[p.b + ${column} * u.k + ${row}]`
          : `b[p.b + ${row} * u.n + ${column}]`;
      });
      const loaded = `vec4f(${values.join(', ')})`;
      const guarded = i === 0 ? loaded : `select(vec4f(0), ${loaded}, k + ${i} < p.k_end)`;
      return `let b${i} = ${guarded};`;
    })
    .join('\n    ');
}

function store(aligned: boolean): string {
  if (aligned) {
    return `if (column < u.n) {
      output[(output_row * u.n + column) / 4] = finish(sums[i], output_row, column / 4);
    }`;
  }
  return `for (var j = 0u; j < 4 && column + j < u.n; j++) {
      output[output_row * u.n + column + j] = finish(sums[i][j], output_row, column + j);
    }`;
}
