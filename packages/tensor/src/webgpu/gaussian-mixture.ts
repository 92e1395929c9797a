import { memoize } from '../memo.ts';
import type { MixtureParams } from '../ops/mixture-head.ts';
import {
  headIndex,
  headUniforms,
  inverseStd,
  mainFunction,
  sharedTile,
  sizesOf,
  tiled,
} from './gaussian-mixture-layout.ts';
import { invocationGrid, kernel, type WebGpuKernel } from './kernel.ts';
import { shortRows } from './rows/select.ts';
import { runRowWork } from './rows/tune.ts';
import { memoizeByVariant, rowFunctions, rowMain } from './rows/variant.ts';
import { declareFloatType, floatType } from './wgsl.ts';

// One logarithm for two factors, which cannot leave the range of float32; four could.
const logProduct = (width: number) =>
  width === 4
    ? `fn log_product(v: T) -> f32 { let p = log(v.xy * v.zw); return p.x + p.y; }`
    : `fn log_product(v: T) -> f32 { return log(v); }`;

const halfLogTwoPi = `${0.5 * Math.log(2 * Math.PI)}`;

/** component[g, k] for one value a group: T_π·logit + log N(z; mean, std). */
const singleKernel = memoize((width: number) =>
  kernel({
    name: 'gaussianMixtureSingle',
    bindings: {
      z: `read ${floatType(width)}`,
      head: `read ${floatType(width)}`,
      logits: 'read f32',
      component: 'write f32',
    },
    uniforms: { count: 'u32', ...headUniforms },
    code: `${declareFloatType(width)} ${inverseStd} ${logProduct(width)} ${headIndex(width)}
${mainFunction(`
  let group = id / u.components;
  let k = id % u.components;
  let means = means_of(group, k);
  var squares = T(0);
  var logs = 0.0;
  for (var j = 0u; j < u.width; j++) {
    let inverse = inverse_std(head[means + raw_after_means() + j], u.scale);
    let deviation = (z[group * u.width + j] - head[means + j]) * inverse;
    squares += deviation * deviation;
    logs += log_product(inverse);
  }
  component[id] = u.logit_scale * logits[logit_index(group, k)] + logs
    - 0.5 * total(squares) - f32(u.width * ${width}u) * ${halfLogTwoPi};`)}`,
  }),
);

/** Where many values share a head: each component's 1/std [G, K, d], and all of its log-density that no value changes. */
const prepareKernel = memoize((width: number) =>
  kernel({
    name: 'gaussianMixturePrepare',
    bindings: {
      head: `read ${floatType(width)}`,
      logits: 'read f32',
      inverses: `write ${floatType(width)}`,
      offsets: 'write f32',
    },
    uniforms: { count: 'u32', ...headUniforms },
    code: `${declareFloatType(width)} ${inverseStd} ${logProduct(width)} ${headIndex(width)}
${mainFunction(`
  let group = id / u.components;
  let k = id % u.components;
  let raws = means_of(group, k) + raw_after_means();
  var logs = 0.0;
  for (var j = 0u; j < u.width; j++) {
    let inverse = inverse_std(head[raws + j], u.scale);
    inverses[id * u.width + j] = inverse;
    logs += log_product(inverse);
  }
  offsets[id] = u.logit_scale * logits[logit_index(group, k)] + logs
    - f32(u.width * ${width}u) * ${halfLogTwoPi};`)}`,
  }),
);

/** component[g, i, k] from prepared components. */
const sharedKernel = memoize((width: number) =>
  kernel({
    name: 'gaussianMixtureShared',
    bindings: {
      z: `read ${floatType(width)}`,
      head: `read ${floatType(width)}`,
      inverses: `read ${floatType(width)}`,
      offsets: 'read f32',
      component: 'write f32',
    },
    uniforms: { count: 'u32', values: 'u32', tiles: 'u32', ...headUniforms },
    code: `${declareFloatType(width)} ${headIndex(width)}
${mainFunction(`
  let k = id % u.components;
  let rest = id / u.components;
  let group = rest / u.tiles;
  let first = (rest % u.tiles) * ${sharedTile}u;
  let means = means_of(group, k);
  let own = group * u.components + k;
  // Past the last value, invocations repeat it.
  ${tiled(
    sharedTile,
    (v) => `let z${v} = (group * u.values + min(first + ${v}u, u.values - 1u)) * u.width;
    var squares${v} = T(0);`,
  )}
  for (var j = 0u; j < u.width; j++) {
    let mean = head[means + j];
    let inverse = inverses[own * u.width + j];
    ${tiled(
      sharedTile,
      (v) => `let deviation${v} = (z[z${v} + j] - mean) * inverse;
    squares${v} += deviation${v} * deviation${v};`,
    )}
  }
  let offset = offsets[own];
  let row = group * u.values + first;
  ${tiled(
    sharedTile,
    (v) => `if (first + ${v}u < u.values) {
      component[(row + ${v}u) * u.components + k] = offset - 0.5 * total(squares${v});
    }`,
  )}`)}`,
  }),
);

/** Log of Σ exp over a row's components, less that of the logits; the components become normalised, too. */
const normalizeKernel = memoizeByVariant((variant) =>
  kernel({
    name: 'gaussianMixtureNormalize',
    bindings: { logits: 'read f32', component: 'write f32', log_prob: 'write f32' },
    uniforms: { rows: 'u32', values: 'u32', components: 'u32', head: 'u32', logit_scale: 'f32' },
    code: `${rowFunctions(variant, ['sum', 'max'])}${rowMain(
      variant,
      `  let end = select(0u, u.components, row < u.rows);
  let logit = (row / u.values) * u.head;
  let own = row * u.components;
  var logit_max = -3.4e38;
  var joint_max = -3.4e38;
  for (var k = lane; k < end; k += ${variant.lanes}u) {
    logit_max = max(logit_max, u.logit_scale * logits[logit + k]);
    joint_max = max(joint_max, component[own + k]);
  }
  logit_max = row_max(logit_max, local);
  joint_max = row_max(joint_max, local);
  var logit_sum = 0.0;
  var joint_sum = 0.0;
  for (var k = lane; k < end; k += ${variant.lanes}u) {
    logit_sum += exp(u.logit_scale * logits[logit + k] - logit_max);
    joint_sum += exp(component[own + k] - joint_max);
  }
  let log_weights = logit_max + log(row_sum(logit_sum, local));
  let log_joint = joint_max + log(row_sum(joint_sum, local));
  for (var k = lane; k < end; k += ${variant.lanes}u) { component[own + k] -= log_weights; }
  if (lane == 0u && row < u.rows) { log_prob[row] = log_joint - log_weights; }`,
    )}`,
  }),
);

/** Inputs z [G, n, d] and head [G, K(1 + 2d)]; outputs the log-probability [G, n] and log π_k N_k [G, n, K]. */
export const gaussianMixtureKernel: WebGpuKernel<MixtureParams> = (
  run,
  { inputs, outputs, params },
) => {
  const [z, head] = inputs;
  const [logProb, component] = outputs;
  const { groups, values, components, channels, width, uniforms } = sizesOf(z!.shape, params);
  const perHead = groups * components;
  if (values === 1) {
    const buffers = [z!, head!, head!, component!];
    run.dispatch(singleKernel(width), buffers, [perHead, ...uniforms], invocationGrid(perHead));
  } else {
    const inverses = run.temporary(perHead * channels * 4);
    const offsets = run.temporary(perHead * 4);
    const prepared = [head!, head!, inverses, offsets];
    run.dispatch(prepareKernel(width), prepared, [perHead, ...uniforms], invocationGrid(perHead));
    const tiles = Math.ceil(values / sharedTile);
    const count = perHead * tiles;
    run.dispatch(
      sharedKernel(width),
      [z!, head!, inverses, offsets, component!],
      [count, values, tiles, ...uniforms],
      invocationGrid(count),
    );
  }
  const rows = groups * values;
  runRowWork(run, {
    ...{ table: shortRows, rows, length: components, kernel: normalizeKernel },
    buffers: [head!, component!, logProb!],
    uniforms: [rows, values, components, components * (1 + 2 * channels), params.logitScale],
  });
};
