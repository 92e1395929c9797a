import { memoize } from '../memo.ts';
import { distributionsWgsl } from '../random/distributions-wgsl.ts';
import { philoxWgsl } from '../random/philox.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type KernelRun } from './kernel.ts';

// State is key0, key1, step low, step high.
const streamWgsl = `${philoxWgsl}${distributionsWgsl}
fn random_words(block: u32) -> vec4u {
  return philox4x32(vec4u(block, u.call, state[2], state[3]), vec2u(state[0], state[1]));
}`;

/** Fills `to` with offset + scale · (uniform or normal), four elements from each Philox block. */
export function fillRandom(
  run: KernelRun,
  distribution: 'uniform' | 'normal',
  state: Tensor,
  to: Tensor,
  { call, offset, scale }: { call: number; offset: number; scale: number },
): void {
  const count = Math.ceil(to.size / 4);
  const groups = invocationGrid(count);
  run.dispatch(fillKernel(distribution), [state, to], [count, call, offset, scale], groups);
}

const values = {
  uniform: 'vec4f(uniform_of(r.x), uniform_of(r.y), uniform_of(r.z), uniform_of(r.w))',
  normal: 'vec4f(normal_pair_of(r.x, r.y), normal_pair_of(r.z, r.w))',
};

const fillKernel = memoize((distribution: 'uniform' | 'normal') =>
  kernel({
    name: `random-${distribution}`,
    bindings: { state: 'read u32', destination: 'write vec4f' },
    uniforms: { count: 'u32', call: 'u32', offset: 'f32', scale: 'f32' },
    code: `${streamWgsl}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  let r = random_words(i);
  destination[i] = u.offset + u.scale * ${values[distribution]};
}`,
  }),
);

/** argmax over each row of logits + Gumbel noise; element e of the logits uses random word e. */
export function sampleRows(
  run: KernelRun,
  { state, logits, to, call }: { state: Tensor; logits: Tensor; to: Tensor; call: number },
): void {
  const classes = logits.shape.at(-1)!;
  // Long rows are shared by a workgroup; short ones take an invocation each.
  const lanes = classes >= 128 ? workgroupSize : 1;
  run.dispatch(
    rowKernel(lanes),
    [state, logits, to],
    [to.size, classes, call],
    invocationGrid(to.size * lanes),
  );
}

const rowKernel = memoize((lanes: number) => {
  const combine = `
  bests[l] = best;
  indices[l] = index;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (l < half) { keep_better(l, l + half); }
  }
  index = indices[0];`;
  const shared = `
var<workgroup> bests: array<f32, ${lanes}>;
var<workgroup> indices: array<u32, ${lanes}>;
fn keep_better(a: u32, b: u32) {
  // Equal values: the lower index, as in a sequential search.
  if (bests[b] > bests[a] || (bests[b] == bests[a] && indices[b] < indices[a])) {
    bests[a] = bests[b];
    indices[a] = indices[b];
  }
}`;
  return kernel({
    name: `random-categorical-${lanes}`,
    bindings: { state: 'read u32', logits: 'read f32', destination: 'write i32' },
    uniforms: { rows: 'u32', classes: 'u32', call: 'u32' },
    code: `${streamWgsl}${lanes > 1 ? shared : ''}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let row = ${lanes > 1 ? 'linear_workgroup(w, n)' : `linear_workgroup(w, n) * ${workgroupSize} + l`};
  if (row >= u.rows) { return; }
  let start = row * u.classes;
  let end = start + u.classes;
  var best = -0x1.fffffep+127f;
  var index = 0u;
  for (var block = start / 4${lanes > 1 ? ' + l' : ''}; block * 4 < end; block += ${lanes}u) {
    let words = random_words(block);
    for (var k = 0u; k < 4u; k++) {
      let e = block * 4 + k;
      if (e >= start && e < end) {
        let value = logits[e] + gumbel_of(words[k]);
        if (value > best) { best = value; index = e - start; }
      }
    }
  }
  ${lanes > 1 ? combine : ''}
  ${lanes > 1 ? 'if (l == 0) { destination[row] = i32(index); }' : 'destination[row] = i32(index);'}
}`,
  });
});
