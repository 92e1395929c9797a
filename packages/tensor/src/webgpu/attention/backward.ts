import { memoize } from '../../memo.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { kernel, linearGrid, type KernelRun, type WebGpuKernel } from '../kernel.ts';
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
  eachRow,
  mainWgsl,
  maskWgsl,
  positionBinding,
  rowsPerWorkgroup,
  type AttentionSource,
} from './source.ts';

/**
 * The backward pass in three dispatches that recompute probabilities P = exp(S − log Σ):
 * δ_i = dO_i · O_i − dLogSum_i, then dQ with a lane for a query or two, then dK and dV with a lane for a key or two.
 */
export const runAttentionBackward: WebGpuKernel<AttentionParams> = (run, call) => {
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
    rows: number,
    own = source,
  ) => {
    const { uniforms, count } = attentionGrid(sizes, rows, own);
    run.dispatch(make(own), buffers, uniforms, linearGrid(count));
  };
  const statistics = run.temporary(logSums.byteLength * 2);
  const shared = [q, k, v, dOutput, statistics, ...position];
  dispatch(statisticsKernel, [output, dOutput, logSums, dLogSums, statistics], sizes.queries, {
    ...source,
    rowsPerLane: 1,
  });
  dispatch(queryKernel, [...shared, dQ], sizes.queries);
  dispatch(keyKernel, [...shared, dK, dV], sizes.keys);
};

const statisticsKernel = memoize((source: AttentionSource) =>
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
    code: `${mainWgsl(source)}
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

/** Rows that are loaded at once: enough to give lanes a vec4 each, few enough that drivers compile them quickly. */
const blockOf = ({ subgroup, workgroupSize, vectors }: AttentionSource): number[] => {
  const length = subgroup ? Math.max(1, Math.min(2, Math.floor(workgroupSize / vectors))) : 1;
  return Array.from({ length }, (_, t) => t);
};

/** dQ_i = Σ_j dS_ij K_j · scale, with dS = P ∘ (dO·Vᵀ − δ). */
const queryKernel = memoize((source: AttentionSource) => {
  const lanes = source.workgroupSize;
  const rows = { at: 'keys_at', first: 'key', last: 'last - 1' };
  const block = blockOf(source);
  const add = (i: number, t: number) => `{
      let seen = key + ${t} < end${i};
      let s = select(own${i}.x, ${headDot(source, `q${i}_`, `k${t}_`)}, seen);
      let p = select(0, exp(s - own${i}.x), seen);
      let ds = p * (${headDot(source, `g${i}_`, `v${t}_`)} - own${i}.y);
      ${eachVector(source, (c) => `d${i}_${c} += ds * k${t}_${c};`)}
    }`;
  return kernel({
    name: 'attention-d-query',
    bindings: { ...operandBindings(source), d_query: `write ${headType(source)}` },
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `${maskWgsl(source)}${mainWgsl(source)}
  let last = key_end(min(first + ${rowsPerWorkgroup(source) - 1}, u.queries - 1));
  let keys_at = batch * u.keys * u.width + head;
  ${eachRow(
    source,
    (i) => `let query${i} = min(first + ${i * lanes} + lane, u.queries - 1);
  let at${i} = (batch * u.queries + query${i}) * u.width + head;
  let own${i} = statistics[batch_head * u.queries + query${i}];
  let end${i} = key_end(query${i});
  ${eachVector(source, (c) => `let q${i}_${c} = ${headLoad(source, 'q', `at${i}`, c)} * u.scale;`)}
  ${eachVector(source, (c) => `let g${i}_${c} = ${headLoad(source, 'd_output', `at${i}`, c)};`)}
  ${eachVector(source, (c) => `var d${i}_${c} = vec4f(0);`)}`,
  )}
  for (var key = 0u; key < last; key += ${block.length}) {
    ${loadRows(source, 'k', 'k', rows, block.length)}
    ${loadRows(source, 'v', 'v', rows, block.length)}
    ${block.map((t) => eachRow(source, (i) => add(i, t))).join('\n    ')}
  }
  ${eachRow(
    source,
    (i) => `if (first + ${i * lanes} + lane < u.queries) {
    ${eachVector(source, (c) => headStore(source, 'd_query', `at${i}`, c, `d${i}_${c} * u.scale`))}
  }`,
  )}
}`,
  });
});

/** dV_j = Σ_i P_ij dO_i and dK_j = Σ_i dS_ij Q_i · scale. */
const keyKernel = memoize((source: AttentionSource) => {
  const lanes = source.workgroupSize;
  const rows = { at: 'queries_at', first: 'query', last: 'u.queries - 1' };
  const start = source.hasPosition ? 'position[0]' : '0u';
  const block = blockOf(source);
  const add = (j: number, t: number) => `{
      let seen = query + ${t} < u.queries && key${j} < key_end(query + ${t});
      let s = select(of_query${t}.x, ${headDot(source, `k${j}_`, `q${t}_`)}, seen);
      let p = select(0, exp(s - of_query${t}.x), seen);
      let ds = p * (${headDot(source, `v${j}_`, `g${t}_`)} - of_query${t}.y);
      ${eachVector(source, (c) => `dv${j}_${c} += p * g${t}_${c}; dk${j}_${c} += ds * q${t}_${c};`)}
    }`;
  return kernel({
    name: 'attention-d-key-value',
    bindings: {
      ...operandBindings(source),
      d_key: `write ${headType(source)}`,
      d_value: `write ${headType(source)}`,
    },
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `${maskWgsl(source)}${mainWgsl(source)}
  // Earlier queries see none of these keys.
  let first_query = ${source.causal ? `max(first, ${start}) - ${start}` : '0u'};
  let queries_at = batch * u.queries * u.width + head;
  ${eachRow(
    source,
    (j) => `let key${j} = min(first + ${j * lanes} + lane, u.keys - 1);
  let at${j} = (batch * u.keys + key${j}) * u.width + head;
  ${eachVector(source, (c) => `let k${j}_${c} = ${headLoad(source, 'k', `at${j}`, c)} * u.scale;`)}
  ${eachVector(source, (c) => `let v${j}_${c} = ${headLoad(source, 'v', `at${j}`, c)};`)}
  ${eachVector(source, (c) => `var dk${j}_${c} = vec4f(0); var dv${j}_${c} = vec4f(0);`)}`,
  )}
  for (var query = first_query; query < u.queries; query += ${block.length}) {
    ${loadRows(source, 'q', 'q', rows, block.length)}
    ${loadRows(source, 'd_output', 'g', rows, block.length)}
    ${loadStatistics(source, block)}
    ${block.map((t) => eachRow(source, (j) => add(j, t))).join('\n    ')}
  }
  ${eachRow(
    source,
    (j) => `if (first + ${j * lanes} + lane < u.keys) {
    ${eachVector(source, (c) => headStore(source, 'd_key', `at${j}`, c, `dk${j}_${c} * u.scale`))}
    ${eachVector(source, (c) => headStore(source, 'd_value', `at${j}`, c, `dv${j}_${c}`))}
  }`,
  )}
}`,
  });
});

/** `of_query${t}`: log Σ and δ of the queries of a block. */
function loadStatistics({ subgroup }: AttentionSource, block: readonly number[]): string {
  const at = 'batch_head * u.queries + min(query';
  if (!subgroup) {
    return block
      .map((t) => `let of_query${t} = statistics[${at} + ${t}, u.queries - 1)];`)
      .join('\n    ');
  }
  return `let own_statistics = statistics[${at} + lane % ${block.length}, u.queries - 1)];
    ${block.map((t) => `let of_query${t} = subgroupBroadcast(own_statistics, ${t}u);`).join('\n    ')}`;
}
