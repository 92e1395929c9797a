import type { AttentionBackwardParams } from '../../ops/attention-backward.ts';
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
  type AttentionSource,
} from './source.ts';

/**
 * The backward pass in three dispatches that recompute probabilities P = exp(S − log Σ):
 * δ_i = dO_i · O_i − dLogSum_i, then dQ with a lane for each query, then dK and dV with a lane for each key.
 */
export function runAttentionBackward(
  run: KernelRun,
  call: { inputs: readonly Tensor[]; outputs: readonly Tensor[]; params: AttentionBackwardParams },
): void {
  const [q, k, v, output, logSums, dOutput, dLogSums, ...position] = call.inputs as [
    ...[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
    ...Tensor[],
  ];
  const [dQ, dK, dV] = call.outputs as [Tensor, Tensor, Tensor];
  const sizes = attentionSizes(q, k, call.params.heads);
  const source = attentionSource(run.capabilities, sizes, call.params, position.length > 0);
  const dispatch = (
    make: typeof queryKernel,
    buffers: Parameters<KernelRun['dispatch']>[1],
    lanes: number,
  ) => {
    const { uniforms, count } = attentionGrid(sizes, lanes, source.workgroupSize);
    run.dispatch(make(source), buffers, uniforms, linearGrid(count));
  };
  const statistics = run.temporary(logSums.byteLength * 2);
  const shared = [q, k, v, dOutput, statistics, ...position];
  dispatch(statisticsKernel, [output, dOutput, logSums, dLogSums, statistics], sizes.queries);
  dispatch(queryKernel, [...shared, dQ], sizes.queries);
  dispatch(keyKernel, [...shared, dK, dV], sizes.keys);
}

const header = (lanes: number) => `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = linear_workgroup(w, n);
  if (group >= u.count) { return; }
  let first = (group % u.blocks) * ${lanes};
  let batch_head = group / u.blocks;
  let head = (batch_head % u.heads) * u.size;
  let batch = batch_head / u.heads;`;

const statisticsKernel = memoizeAttention((source) =>
  kernel({
    name: 'attention-statistics',
    bindings: {
      output: `read ${headType(source)}`,
      d_output: `read ${headType(source)}`,
      log_sums: 'read f32',
      d_log_sums: 'read f32',
      statistics: 'write vec2f',
    },
    uniforms: attentionUniforms,
    code: `${header(source.workgroupSize)}
  let query = first + lane;
  if (query >= u.queries) { return; }
  let at = (batch * u.queries + query) * u.width + head;
  ${eachVector(source, (c) => `let o${c} = ${headLoad(source, 'output', 'at', c)};`)}
  ${eachVector(source, (c) => `let g${c} = ${headLoad(source, 'd_output', 'at', c)};`)}
  let i = batch_head * u.queries + query;
  statistics[i] = vec2f(log_sums[i], ${headDot(source, 'o', 'g')} - d_log_sums[i]);
}`,
  }),
);

const operandBindings = (source: AttentionSource) => {
  const type = `read ${headType(source)}` as const;
  return {
    ...{ q: type, k: type, v: type, d_output: type },
    statistics: 'read vec2f' as const,
    ...positionBinding(source),
  };
};

/** dQ_i = Σ_j dS_ij K_j · scale, with dS = P ∘ (dO·Vᵀ − δ). */
const queryKernel = memoizeAttention((source) => {
  const rows = { at: 'keys_at', first: 'key', last: 'last - 1' };
  return kernel({
    name: 'attention-d-query',
    bindings: { ...operandBindings(source), d_query: `write ${headType(source)}` },
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `${maskWgsl(source)}${header(source.workgroupSize)}
  let query = min(first + lane, u.queries - 1);
  let at = (batch * u.queries + query) * u.width + head;
  ${eachVector(source, (c) => `let q${c} = ${headLoad(source, 'q', 'at', c)} * u.scale;`)}
  ${eachVector(source, (c) => `let g${c} = ${headLoad(source, 'd_output', 'at', c)};`)}
  ${eachVector(source, (c) => `var d${c} = vec4f(0);`)}
  let own = statistics[batch_head * u.queries + query];
  let end = key_end(query);
  let last = key_end(min(first + ${source.workgroupSize - 1}, u.queries - 1));
  let keys_at = batch * u.keys * u.width + head;
  for (var key = 0u; key < last; key++) {
    ${loadRows(source, 'k', 'k', rows)}
    ${loadRows(source, 'v', 'v', rows)}
    let s = select(own.x, ${headDot(source, 'q', 'k0_')}, key < end);
    let p = select(0, exp(s - own.x), key < end);
    let ds = p * (${headDot(source, 'g', 'v0_')} - own.y);
    ${eachVector(source, (c) => `d${c} += ds * k0_${c};`)}
  }
  if (first + lane >= u.queries) { return; }
  ${eachVector(source, (c) => headStore(source, 'd_query', 'at', c, `d${c} * u.scale`))}
}`,
  });
});

/** dV_j = Σ_i P_ij dO_i and dK_j = Σ_i dS_ij Q_i · scale. */
const keyKernel = memoizeAttention((source) => {
  const rows = { at: 'queries_at', first: 'query', last: 'u.queries - 1' };
  const start = source.hasPosition ? 'position[0]' : '0u';
  return kernel({
    name: 'attention-d-key-value',
    bindings: {
      ...operandBindings(source),
      d_key: `write ${headType(source)}`,
      d_value: `write ${headType(source)}`,
    },
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `${maskWgsl(source)}${header(source.workgroupSize)}
  let key = min(first + lane, u.keys - 1);
  let at = (batch * u.keys + key) * u.width + head;
  ${eachVector(source, (c) => `let k${c} = ${headLoad(source, 'k', 'at', c)} * u.scale;`)}
  ${eachVector(source, (c) => `let v${c} = ${headLoad(source, 'v', 'at', c)};`)}
  ${eachVector(source, (c) => `var dk${c} = vec4f(0); var dv${c} = vec4f(0);`)}
  // Earlier queries see none of these keys.
  let first_query = ${source.causal ? `max(first, ${start}) - ${start}` : '0u'};
  let queries_at = batch * u.queries * u.width + head;
  for (var query = first_query; query < u.queries; query++) {
    ${loadRows(source, 'q', 'q', rows)}
    ${loadRows(source, 'd_output', 'g', rows)}
    let of_query = statistics[batch_head * u.queries + query];
    let seen = key < key_end(query);
    let s = select(of_query.x, ${headDot(source, 'k', 'q0_')}, seen);
    let p = select(0, exp(s - of_query.x), seen);
    let ds = p * (${headDot(source, 'v', 'g0_')} - of_query.y);
    ${eachVector(source, (c) => `dv${c} += p * g0_${c}; dk${c} += ds * q0_${c};`)}
  }
  if (first + lane >= u.keys) { return; }
  ${eachVector(source, (c) => headStore(source, 'd_key', 'at', c, `dk${c} * u.scale`))}
  ${eachVector(source, (c) => headStore(source, 'd_value', 'at', c, `dv${c}`))}
}`,
  });
});
