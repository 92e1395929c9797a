import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { fixedSubgroupSize, kernel, linearGrid, type WebGpuKernel } from '../kernel.ts';
import { barriers64, oneSubgroup } from '../rows/select.ts';
import { enableSubgroups, memoizeByVariant, rowFunctions, rowMain } from '../rows/variant.ts';
import { eachVector, forwardBindings, headDot, headLoad } from './head.ts';
import {
  attentionSizes,
  attentionSource,
  lowestScore,
  maskWgsl,
  type AttentionSource,
} from './source.ts';

/**
 * The forward pass for few queries, as in decoding, where a lane for each would leave the other lanes idle: lanes share
 * a query. Each walks keys of its own by an online softmax, and their sums meet at the end, as in flash decoding (Dao et al. 2023).
 */
export const runFewQueries: WebGpuKernel<AttentionParams> = (run, call) => {
  const [q, k, v, ...position] = call.inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const sizes = attentionSizes(q, k, call.params.heads);
  const { vectors, aligned, causal, hasPosition } = attentionSource(
    run.capabilities,
    sizes,
    call.params,
    position.length > 0,
  );
  const { batch, heads, queries, keys, width } = sizes;
  const rows = batch * heads * queries;
  const size = width / heads;
  const lanes = fixedSubgroupSize(run.capabilities);
  const variant = lanes ? oneSubgroup(lanes) : barriers64;
  run.dispatch(
    fewQueriesKernel(variant, vectors, aligned, causal, hasPosition),
    [q, k, v, ...position, ...call.outputs],
    [rows, heads, size, width, queries, keys, 1 / Math.sqrt(size)],
    linearGrid(rows),
  );
};

const fewQueriesKernel = memoizeByVariant(
  (variant, vectors: number, aligned: boolean, causal: boolean, hasPosition: boolean) => {
    const source: AttentionSource = {
      ...{ vectors, aligned, causal, hasPosition },
      ...{ workgroupSize: variant.workgroup, subgroup: false, rowsPerLane: 1 },
    };
    const vectorsOf = (line: (c: number) => string) => eachVector(source, line);
    const vectorList = Array.from({ length: vectors }, (_, c) => `o${c}`).join(', ');
    const store = aligned
      ? 'output[at / 4 + c] = mixed;'
      : 'for (var i = 0u; i < 4 && c * 4 + i < u.size; i++) { output[at + c * 4 + i] = mixed[i]; }';
    const body = `
  if (row >= u.rows) { return; }
  let query = row % u.queries;
  let head = row / u.queries % u.heads * u.size;
  let batch = row / u.queries / u.heads;
  let at = (batch * u.queries + query) * u.width + head;
  let end = key_end(query);
  var top = f32(${lowestScore});
  var sum = 0.0;
  ${vectorsOf((c) => `let q${c} = ${headLoad(source, 'q', 'at', c)} * u.scale; var o${c} = vec4f(0);`)}
  for (var key = lane; key < end; key += ${variant.lanes}u) {
    let key_at = (batch * u.keys + key) * u.width + head;
    ${vectorsOf((c) => `let k${c} = ${headLoad(source, 'k', 'key_at', c)};`)}
    let score = ${headDot(source, 'q', 'k')};
    let raised = max(top, score);
    let keep = exp(max(top - raised, -100));
    let p = exp(score - raised);
    top = raised;
    sum = sum * keep + p;
    ${vectorsOf((c) => `o${c} = o${c} * keep + p * ${headLoad(source, 'v', 'key_at', c)};`)}
  }
  let highest = row_max(top, local);
  let share = exp(max(top - highest, -100));
  let total = row_sum(vec4f(sum * share, 0, 0, 0), local).x;
  // A loop, since drivers compile for seconds when each vector has its own sum over lanes.
  var own = array<vec4f, ${vectors}>(${vectorList});
  for (var c = 0u; c < ${vectors}u; c++) {
    let mixed = row_sum(own[c] * share, local) / total;
    if (lane == 0u) { ${store} }
  }
  if (lane == 0u) { log_sums[row] = highest + log(total); }`;
    return kernel({
      name: 'attention-few-queries',
      bindings: forwardBindings(source),
      uniforms: {
        ...{ rows: 'u32', heads: 'u32', size: 'u32', width: 'u32' },
        ...{ queries: 'u32', keys: 'u32', scale: 'f32' },
      },
      enable: enableSubgroups(variant),
      code:
        maskWgsl(source) +
        rowFunctions(variant, ['max']) +
        rowFunctions(variant, ['sum'], 'vec4f') +
        rowMain(variant, body),
    });
  },
);
