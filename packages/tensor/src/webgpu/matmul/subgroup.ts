import type { Kernel } from '../kernel.ts';
import { matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

/**
 * Variant 2, for software adapters: the workgroup is one subgroup, with no barrier and no workgroup memory, which
 * they emulate slowly. Each lane loads four values along k of its rows of a, and all lanes take these in turn
 * by broadcast against four rows of b, of which a lane owns four columns.
 * @param lanes the adapter's one subgroup size
 * @param rows output rows of a workgroup
 */
export function subgroup(lanes: number, rows: number): MatmulVariant {
  const name = `matmul-2-subgroup-${lanes}-${rows}`;
  return {
    name,
    tileRows: rows,
    tileColumns: lanes * 4,
    stepK: 4,
    vectorized: true,
    make: (source) => make(name, source, lanes, rows),
  };
}

const list = (count: number, line: (i: number) => string, separator = '\n    ') =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

function make(name: string, source: MatmulSource, lanes: number, rows: number): Kernel {
  const { transposeA, transposeB, aligned } = source;
  const registers = Math.ceil(rows / lanes);
  return matmulKernel({
    name,
    source,
    a: aligned && !transposeA ? 'vec4f' : 'f32',
    b: aligned ? 'vec4f' : 'f32',
    enable: 'enable subgroups;',
    code: `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${rows};
  ${list(registers, (g) => `let a_row${g} = min(row + ${g * lanes} + lane, u.m - 1);`)}
  let column = (p.tile_n * ${lanes} + lane) * 4;
  ${list(rows, (r) => `var acc${r} = vec4f(0);`)}
  for (var k = p.k_start; k < p.k_end; k += 4) {
    ${list(registers, (g) => `let a${g} = ${loadA(source, g)};`)}
    ${loadB(transposeB, aligned)}
    ${list(rows, (r) => {
      const a = `subgroupBroadcast(a${Math.floor(r / lanes)}, ${r % lanes}u)`;
      return `let x${r} = ${a};
    acc${r} += x${r}.x * b0 + x${r}.y * b1 + x${r}.z * b2 + x${r}.w * b3;`;
    })}
  }
  // A loop, since drivers compile for seconds when each row has its own copy of the epilogue.
  var sums = array<vec4f, ${rows}>(${list(rows, (r) => `acc${r}`, ', ')});
  for (var r = 0u; r < min(${rows}u, u.m - row); r++) {
    let output_row = p.output_row + row + r;
    ${store(aligned)}
  }
}`,
  });
}

/** Four values along k of this lane's row; zeros past the end of k. */
function loadA({ transposeA, aligned }: MatmulSource, g: number): string {
  if (aligned && !transposeA) return `a[(p.a + a_row${g} * u.k + k) / 4]`;
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
      output[(output_row * u.n + column) / 4] = finish(sums[r], output_row, column / 4);
    }`;
  }
  return `for (var j = 0u; j < 4 && column + j < u.n; j++) {
      output[output_row * u.n + column + j] = finish(sums[r][j], output_row, column + j);
    }`;
}
