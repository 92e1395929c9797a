import { memoize } from '../../memo.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { kernel, linearGrid, type WebGpuKernel } from '../kernel.ts';
import { runFewQueries } from './few-queries.ts';
import {
  eachVector,
  enableSubgroups,
  forwardBindings,
  headDot,
  headLoad,
  headStore,
  loadRows,
} from './head.ts';
import {
  attentionGrid,
  attentionSizes,
  attentionSource,
  attentionUniforms,
  eachRow,
  lowestScore,
  mainWgsl,
  maskWgsl,
  rowsPerWorkgroup,
  type AttentionSource,
} from './source.ts';

/** Up to so many queries lanes share one, rather than own one each: how many lanes may idle, there and here. */
const fewQueries = { software: 1, hardware: 8 };

/** Runs the forward pass: the output and log Σ exp of the scores, for the backward pass. */
export const runAttention: WebGpuKernel<AttentionParams> = (run, call) => {
  const isFew = call.inputs[0]!.shape[1]! <= fewQueries[run.capabilities.adapterKind];
  if (isFew) runFewQueries(run, call);
  else runManyQueries(run, call);
};

/** The forward pass with a query or two for each lane. */
export const runManyQueries: WebGpuKernel<AttentionParams> = (run, call) => {
  const [q, k, v, ...position] = call.inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const sizes = attentionSizes(q, k, call.params.heads);
  const source = attentionSource(run.capabilities, sizes, call.params, position.length > 0);
  const { uniforms, count } = attentionGrid(sizes, sizes.queries, source);
  run.dispatch(
    forwardKernel(source),
    [q, k, v, ...position, ...call.outputs],
    uniforms,
    linearGrid(count),
  );
};

/**
 * Online softmax (Milakov & Gimelshein 2018): a lane walks the keys of its queries in blocks and rescales its sums when
 * the running maximum grows.
 */
const forwardKernel = memoize((source: AttentionSource) => {
  const { workgroupSize: lanes, vectors } = source;
  // Few enough loads that software drivers compile the loop quickly.
  const block = Math.max(1, Math.min(4, Math.floor(16 / vectors)));
  const keys = Array.from({ length: block }, (_, t) => t);
  const rows = { at: 'keys_at', first: 'key', last: 'last - 1' };
  const probabilities = (i: number) => {
    const score = (t: number) => `${headDot(source, `q${i}_`, `k${t}_`)}, key + ${t} < end${i}`;
    const scores = keys.map((t) => `let s${i}_${t} = select(${lowestScore}, ${score(t)});`);
    const exps = keys.map(
      (t) => `let p${i}_${t} = select(0, exp(s${i}_${t} - top${i}), key + ${t} < end${i});`,
    );
    return `${scores.join('\n    ')}
    let raised${i} = ${keys.reduce((high, t) => `max(${high}, s${i}_${t})`, `top${i}`)};
    let keep${i} = exp(max(top${i} - raised${i}, -100));
    top${i} = raised${i};
    ${exps.join('\n    ')}
    sum${i} = sum${i} * keep${i} + ${keys.map((t) => `p${i}_${t}`).join(' + ')};`;
  };
  const mix = (i: number) =>
    eachVector(source, (c) => {
      const terms = keys.map((t) => `p${i}_${t} * v${t}_${c}`);
      return `o${i}_${c} = o${i}_${c} * keep${i} + ${terms.join(' + ')};`;
    });
  return kernel({
    name: 'attention',
    bindings: forwardBindings(source),
    uniforms: attentionUniforms,
    enable: enableSubgroups(source),
    code: `
${maskWgsl(source)}${mainWgsl(source)}
  let last = key_end(min(first + ${rowsPerWorkgroup(source) - 1}, u.queries - 1));
  let keys_at = batch * u.keys * u.width + head;
  // Lanes past the end repeat the last query.
  ${eachRow(
    source,
    (i) => `let query${i} = min(first + ${i * lanes} + lane, u.queries - 1);
  let at${i} = (batch * u.queries + query${i}) * u.width + head;
  let end${i} = key_end(query${i});
  var top${i} = f32(${lowestScore});
  var sum${i} = 0.0;
  ${eachVector(source, (c) => `let q${i}_${c} = ${headLoad(source, 'q', `at${i}`, c)} * u.scale; var o${i}_${c} = vec4f(0);`)}`,
  )}
  for (var key = 0u; key < last; key += ${block}) {
    ${loadRows(source, 'k', 'k', rows, block)}
    ${eachRow(source, probabilities)}
    ${loadRows(source, 'v', 'v', rows, block)}
    ${eachRow(source, mix)}
  }
  ${eachRow(
    source,
    (i) => `if (first + ${i * lanes} + lane < u.queries) {
    ${eachVector(source, (c) => headStore(source, 'output', `at${i}`, c, `o${i}_${c} / sum${i}`))}
    log_sums[batch_head * u.queries + query${i}] = top${i} + log(sum${i});
  }`,
  )}
}`,
  });
});
