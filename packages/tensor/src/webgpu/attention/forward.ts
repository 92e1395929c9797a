import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { kernel, linearGrid, type KernelRun } from '../kernel.ts';
import {
  eachVector,
  enableSubgroups,
  headDot,
  headLoad,
  headStore,
  headType,
  loadRows,
} from './head.ts';
import {
  attentionGrid,
  attentionSizes,
  attentionSource,
  attentionUniforms,
  maskWgsl,
  memoizeAttention,
  positionBinding,
} from './source.ts';

/** Runs the forward pass: the output and log Σ exp of the scores, for the backward pass. */
export function runAttention(
  run: KernelRun,
  call: { inputs: readonly Tensor[]; outputs: readonly Tensor[]; params: AttentionParams },
): void {
  const [q, k, v, ...position] = call.inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const sizes = attentionSizes(q, k, call.params.heads);
  const source = attentionSource(run.capabilities, sizes, call.params, position.length > 0);
  const { uniforms, count } = attentionGrid(sizes, sizes.queries, source.workgroupSize);
  run.dispatch(
    forwardKernel(source),
    [q, k, v, ...position, ...call.outputs],
    uniforms,
    linearGrid(count),
  );
}

// Scores of keys past the end of the mask; finite, so that no difference of scores is NaN.
const lowest = '-3.4e38';

/**
 * Online softmax (Milakov & Gimelshein 2018): a lane walks the keys of its query in blocks and rescales its sums when
 * the running maximum grows.
 */
const forwardKernel = memoizeAttention((source) => {
  const { workgroupSize: lanes, vectors } = source;
  // Few enough loads that software drivers compile the loop quickly.
  const block = Math.max(1, Math.min(4, Math.floor(16 / vectors)));
  const keys = Array.from({ length: block }, (_, t) => t);
  const rows = { at: 'keys_at', first: 'key', last: 'last - 1' };
  const type = `read ${headType(source)}` as const;
  return kernel({
    name: 'attention',
    bindings: {
      ...{ q: type, k: type, v: type },
      ...positionBinding(source),
      output: `write ${headType(source)}`,
      log_sums: 'write f32',
    },
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `
${maskWgsl(source)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = linear_workgroup(w, n);
  if (group >= u.count) { return; }
  let first = (group % u.blocks) * ${lanes};
  let batch_head = group / u.blocks;
  let head = (batch_head % u.heads) * u.size;
  let batch = batch_head / u.heads;
  // Lanes past the end repeat the last query.
  let query = min(first + lane, u.queries - 1);
  let at = (batch * u.queries + query) * u.width + head;
  ${eachVector(source, (c) => `let q${c} = ${headLoad(source, 'q', 'at', c)} * u.scale;`)}
  let end = key_end(query);
  let last = key_end(min(first + ${lanes - 1}, u.queries - 1));
  let keys_at = batch * u.keys * u.width + head;
  var top = f32(${lowest});
  var sum = 0.0;
  ${eachVector(source, (c) => `var o${c} = vec4f(0);`)}
  for (var key = 0u; key < last; key += ${block}) {
    ${loadRows(source, 'k', 'k', rows, block)}
    ${keys.map((t) => `let s${t} = select(${lowest}, ${headDot(source, 'q', `k${t}_`)}, key + ${t} < end);`).join('\n    ')}
    let raised = ${keys.reduce((high, t) => `max(${high}, s${t})`, 'top')};
    let keep = exp(max(top - raised, -100));
    top = raised;
    ${keys.map((t) => `let p${t} = select(0, exp(s${t} - top), key + ${t} < end);`).join('\n    ')}
    sum = sum * keep + ${keys.map((t) => `p${t}`).join(' + ')};
    ${loadRows(source, 'v', 'v', rows, block)}
    ${eachVector(source, (c) => {
      const terms = keys.map((t) => `p${t} * v${t}_${c}`);
      return `o${c} = o${c} * keep + ${terms.join(' + ')};`;
    })}
  }
  if (first + lane >= u.queries) { return; }
  ${eachVector(source, (c) => headStore(source, 'output', 'at', c, `o${c} / sum`))}
  log_sums[batch_head * u.queries + query] = top + log(sum);
}`,
  });
});
