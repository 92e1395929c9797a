import { alignedType, matmulKernel, type MatmulSource, type MatmulVariant } from './source.ts';

const side = 64;
const depth = 16;

/**
 * Variant 3, for GPUs: a 64 × 64 tile of the output for 16 × 16 invocations of 4 × 4 each, with slabs of a and b,
 * 16 deep along k, in workgroup memory. Both slabs are kept k-major, so that an invocation reads whole vec4s.
 */
export const tile: MatmulVariant = {
  name: 'matmul-3-tile',
  tileRows: side,
  tileColumns: side,
  stepK: depth,
  vectorized: true,
  make(source) {
    const { transposeA, transposeB } = source;
    return matmulKernel({
      name: 'matmul-3-tile',
      source,
      a: alignedType(source) === 'vec4f' && !transposeA ? 'vec4f' : 'f32',
      b: alignedType(source),
      code: `
var<workgroup> slab_a: array<vec4f, ${(depth * side) / 4}>;
var<workgroup> slab_b: array<vec4f, ${(depth * side) / 4}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let group = linear_workgroup(w, groups);
  if (group >= u.count) { return; }
  let p = place(group);
  let row = p.tile_m * ${side};
  let column = p.tile_n * ${side};
  let own_row = l / 16;
  let own_column = l % 16;
  var acc0 = vec4f(0);
  var acc1 = vec4f(0);
  var acc2 = vec4f(0);
  var acc3 = vec4f(0);
  for (var k = p.k_start; k < p.k_end; k += ${depth}) {
    ${fillSlab('slab_a', loadA(source), !transposeA)}
    ${fillSlab('slab_b', loadB(source), transposeB)}
    workgroupBarrier();
    for (var i = 0u; i < ${depth}; i++) {
      let x = slab_a[i * 16 + own_row];
      let y = slab_b[i * 16 + own_column];
      acc0 += x.x * y;
      acc1 += x.y * y;
      acc2 += x.z * y;
      acc3 += x.w * y;
    }
    workgroupBarrier();
  }
  ${[0, 1, 2, 3].map((r) => store(source, r)).join('\n  ')}
}`,
    });
  },
};

/**
 * Fills a slab [depth, 64] of workgroup memory, a vec4 an invocation. \`alongK\`: the vec4 runs along k in memory
 * and is scattered over four rows of the slab; otherwise it is four neighbours of one row.
 */
function fillSlab(slab: string, load: string, alongK: boolean): string {
  if (!alongK) {
    return `{
      let at_k = k + l / 16;
      let at = (l % 16) * 4;
      ${slab}[l] = ${load};
    }`;
  }
  const parts = [0, 1, 2, 3].map(
    (i) => `${slab}[((l % 4) * 4 + ${i}) * 16 + at / 4][at % 4] = value[${i}];`,
  );
  return `{
      let at_k = k + (l % 4) * 4;
      let at = l / 4;
      let value = ${load};
      ${parts.join('\n      ')}
    }`;
}

/** A vec4 of a at (row + at, at_k), along k, or along rows where a is stored transposed; zeros outside. */
function loadA({ transposeA, aligned }: MatmulSource): string {
  if (transposeA)
    return scalars(
      'a',
      'p.a + at_k * u.m + row + at',
      (i) => `row + at + ${i} < u.m`,
      'at_k < p.k_end',
    );
  if (aligned)
    return guarded('a[(p.a + (row + at) * u.k + at_k) / 4]', 'row + at < u.m && at_k < p.k_end');
  return scalars(
    'a',
    'p.a + (row + at) * u.k + at_k',
    (i) => `at_k + ${i} < p.k_end`,
    'row + at < u.m',
  );
}

/** A vec4 of b at (at_k, column + at), along columns, or along k where b is stored transposed; zeros outside. */
function loadB({ transposeB, aligned }: MatmulSource): string {
  const at = transposeB ? 'p.b + (column + at) * u.k + at_k' : 'p.b + at_k * u.n + column + at';
  if (aligned) return guarded(`b[(${at}) / 4]`, 'column + at < u.n && at_k < p.k_end');
  return transposeB
    ? scalars('b', at, (i) => `at_k + ${i} < p.k_end`, 'column + at < u.n')
    : scalars('b', at, (i) => `column + at + ${i} < u.n`, 'at_k < p.k_end');
}

// Reads outside a binding are defined by WebGPU (some value inside it), so that selecting afterwards is safe.
const guarded = (load: string, inside: string) => `select(vec4f(0), ${load}, ${inside})`;

function scalars(
  array: string,
  at: string,
  inside: (i: number) => string,
  allInside: string,
): string {
  const parts = [0, 1, 2, 3].map(
    (i) => `select(0, ${array}[${at} + ${i}], ${inside(i)} && ${allInside})`,
  );
  return `vec4f(${parts.join(', ')})`;
}

function store({ aligned }: MatmulSource, r: number): string {
  const position = `let at_row = row + own_row * 4 + ${r};
    let at_column = column + own_column * 4;
    let output_row = p.output_row + at_row;`;
  const body = aligned
    ? `if (at_row < u.m && at_column < u.n) {
      output[(output_row * u.n + at_column) / 4] = finish(acc${r}, output_row, at_column / 4);
    }`
    : `for (var j = 0u; j < 4 && at_row < u.m && at_column + j < u.n; j++) {
      output[output_row * u.n + at_column + j] = finish(acc${r}[j], output_row, at_column + j);
    }`;
  return `{
    ${position}
    ${body}
  }`;
}
