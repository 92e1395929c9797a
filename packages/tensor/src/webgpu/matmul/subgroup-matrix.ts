import type { Kernel, SubgroupMatrix } from '../kernel.ts';
import { lines } from '../wgsl.ts';
import { loadA, loadB } from './guarded-loads.ts';
import { alignedType, matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

const side = 64;
const depth = 32;
/** Subgroups lie 2 × 2 over the tile, each on a square of this side. */
const square = side / 2;

/** Bytes of workgroup memory: two slabs of f16, and the sums. */
export const subgroupMatrixMemory = 2 * (2 * side * depth) + 4 * side * side;

/** True where the hardware's matrices divide this variant's squares. */
export function fitsSubgroupMatrix({ m, n, k }: SubgroupMatrix): boolean {
  return square % m === 0 && square % n === 0 && depth % k === 0;
}

/**
 * Variant 5, for GPUs with matrix units where reduced precision is allowed: factors rounded to f16, sums in f32, which
 * f16 would overflow. Edge tiles are filled up with zeros in workgroup memory, and the sums go through it to the
 * epilogue. Compiled by Dawn's front end in the tests; no machine at hand had the hardware to run it.
 * @param lanes the adapter's one subgroup size
 */
export function subgroupMatrix(lanes: number, shape: SubgroupMatrix): MatmulVariant {
  const name = `matmul-5-subgroup-matrix-${lanes}-${shape.m}x${shape.n}x${shape.k}`;
  return {
    name,
    tileRows: side,
    tileColumns: side,
    stepK: depth,
    vectorized: true,
    reducedPrecision: true,
    make: (source) => make(name, source, lanes, shape),
  };
}

const inLoop = (count: number, line: (i: number) => string) => lines(count, line, '\n      ');

function make(
  name: string,
  source: MatmulSource,
  lanes: number,
  { m, n, k }: SubgroupMatrix,
): Kernel {
  const { transposeA, transposeB } = source;
  const [rows, columns] = [square / m, square / n];
  const size = 4 * lanes;
  // WGSL names a matrix's columns before its rows.
  const [left, right] = [
    `subgroup_matrix_left<f16, ${k}, ${m}>`,
    `subgroup_matrix_right<f16, ${n}, ${k}>`,
  ];
  const result = `subgroup_matrix_result<f32, ${n}, ${m}>`;
  const place = (r: number, c: number) => `(own_row + ${r * m}) * ${side} + own_column + ${c * n}`;
  const eachSum = (line: (r: number, c: number) => string) =>
    inLoop(rows * columns, (i) => line(Math.floor(i / columns), i % columns));
  return matmulKernel({
    name,
    source,
    a: source.alignedA ? 'vec4f' : 'f32',
    b: alignedType(source),
    enable: `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
// Places in the tile are uniform in a subgroup, which is enough; Tint asks it of the workgroup.
diagnostic(off, chromium.subgroup_matrix_uniformity);`,
    code: `
var<workgroup> slab_a: array<f16, ${side * depth}>;
var<workgroup> slab_b: array<f16, ${depth * side}>;
var<workgroup> sums: array<f32, ${side * side}>;

@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32, @builtin(subgroup_id) own: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${side};
  let column = p.tile_n * ${side};
  let own_row = own / 2 * ${square};
  let own_column = own % 2 * ${square};
  ${eachSum((r, c) => `var sum_${r}_${c} = ${result}();`)}
  for (var k = p.k_start; k < p.k_end; k += ${depth}) {
    ${fillSlab(size, 'slab_a', loadA(source), !transposeA, (at, kk) => `(${at}) * ${depth} + ${kk}`)}
    ${fillSlab(size, 'slab_b', loadB(source), transposeB, (at, kk) => `(${kk}) * ${side} + ${at}`)}
    workgroupBarrier();
    for (var i = 0u; i < ${depth}; i += ${k}) {
      ${inLoop(rows, (r) => `let a_${r} = subgroupMatrixLoad<${left}, row_major>(&slab_a, (own_row + ${r * m}) * ${depth} + i, ${depth});`)}
      ${inLoop(columns, (c) => `let b_${c} = subgroupMatrixLoad<${right}, row_major>(&slab_b, i * ${side} + own_column + ${c * n}, ${side});`)}
      ${eachSum((r, c) => `sum_${r}_${c} = subgroupMatrixMultiplyAccumulate(a_${r}, b_${c}, sum_${r}_${c});`)}
    }
    workgroupBarrier();
  }
  ${eachSum((r, c) => `subgroupMatrixStore<row_major>(&sums, ${place(r, c)}, sum_${r}_${c}, ${side});`)}
  workgroupBarrier();
  for (var e = l; e < ${(side * side) / 4}; e += ${size}) {
    let at_row = row + e / ${side / 4};
    let at_column = column + (e % ${side / 4}) * 4;
    let output_row = p.output_row + at_row;
    ${store(source)}
  }
}`,
  });
}

/** Rounds a slab to f16, four values an invocation at a time; `index` is where (at, k) lies in it. */
function fillSlab(
  size: number,
  slab: string,
  load: string,
  alongK: boolean,
  index: (at: string, k: string) => string,
): string {
  const quads = alongK ? depth / 4 : side / 4;
  const [at, k] = alongK
    ? [`e / ${quads}`, `(e % ${quads}) * 4`]
    : [`(e % ${quads}) * 4`, `e / ${quads}`];
  return `for (var e = l; e < ${(side * depth) / 4}; e += ${size}) {
      let at = ${at};
      let own_k = ${k};
      let at_k = k + own_k;
      let value = ${load};
      ${inLoop(4, (i) => `${slab}[${alongK ? index('at', `(own_k + ${i})`) : index(`(at + ${i})`, 'own_k')}] = f16(value[${i}]);`)}
    }`;
}

function store({ aligned }: MatmulSource): string {
  return aligned
    ? `if (at_row < u.m && at_column < u.n) {
      let acc = vec4f(${[0, 1, 2, 3].map((j) => `sums[4 * e + ${j}]`).join(', ')});
      output[(output_row * u.n + at_column) / 4] = finish(acc, output_row, at_column / 4);
    }`
    : `for (var j = 0u; j < 4 && at_row < u.m && at_column + j < u.n; j++) {
      output[output_row * u.n + at_column + j] = finish(sums[4 * e + j], output_row, at_column + j);
    }`;
}
