import type { MixtureParams } from '../ops/gaussian-mixture.ts';
import { kernel, linearGrid, memoizeKernel, type KernelRun, type WebGpuKernel } from './kernel.ts';
import {
  lanesForRows,
  rowReductions,
  rowWorkgroups,
  rowWorkgroupSize,
  vectorType,
} from './row-lanes.ts';

// Sizes: G groups of n values, K components, d channels. A group's head is K logits, K × d means, K × d raw
// scales; the vec4 variants need K and d divisible by 4. Values of one group go four to an invocation (`tile`),
// so that a component's parameters are loaded once for all four.

/** An invocation of a kernel that has `count` of them in a linear grid. */
const mainFunction = (body: string) => `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let id = linear_workgroup(w, n) * 64u + l;
  if (id >= u.count) { return; }
  ${body}
}`;

// squareplus(x) = ½(x + √(x² + 4)) is q for x ≥ 0 and 1/q for x < 0 with q = ½(|x| + √(x² + 4)): no cancellation.
const inverseStd = `
fn inverse_std(raw: T, scale: f32) -> T {
  let q = 0.5 * (abs(raw) + sqrt(raw * raw + 4.0));
  return min(select(1.0 / q, q, raw < T(0)), T(1e6)) / scale;
}`;

// One logarithm for two factors, which cannot leave the range of float32; four could.
const logProduct = (width: number) =>
  width === 4
    ? `fn log_product(v: T) -> f32 { let p = log(v.xy * v.zw); return p.x + p.y; }`
    : `fn log_product(v: T) -> f32 { return log(v); }`;

const element = (width: number) => (width === 4 ? 'vec4f' : 'f32');
const halfLogTwoPi = `${0.5 * Math.log(2 * Math.PI)}`;
const headUniforms = { components: 'u32', width: 'u32', logit_scale: 'f32', scale: 'f32' } as const;
// Where a component's means start, in elements of T, and how far behind them its raw scales are.
const headIndex = (width: number) => `
fn means_of(group: u32, k: u32) -> u32 {
  return (group * (1u + 2u * u.width * ${width}u) + 1u) * u.components / ${width}u + k * u.width;
}
fn raw_after_means() -> u32 { return u.components * u.width; }
fn logit_index(group: u32, k: u32) -> u32 {
  return group * u.components * (1u + 2u * u.width * ${width}u) + k;
}`;

/** component[g, k] for one value a group: T_π·logit + log N(z; mean, std). */
const singleKernel = memoizeKernel((width: number) =>
  kernel({
    name: 'gaussianMixtureSingle',
    bindings: {
      z: `read ${element(width)}`,
      head: `read ${element(width)}`,
      logits: 'read f32',
      component: 'write f32',
    },
    uniforms: { count: 'u32', ...headUniforms },
    code: `${vectorType(width)} ${inverseStd} ${logProduct(width)} ${headIndex(width)}
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
const prepareKernel = memoizeKernel((width: number) =>
  kernel({
    name: 'gaussianMixturePrepare',
    bindings: {
      head: `read ${element(width)}`,
      logits: 'read f32',
      inverses: `write ${element(width)}`,
      offsets: 'write f32',
    },
    uniforms: { count: 'u32', ...headUniforms },
    code: `${vectorType(width)} ${inverseStd} ${logProduct(width)} ${headIndex(width)}
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

const sharedTile = 4;
const tiled = (tile: number, line: (v: number) => string) =>
  Array.from({ length: tile }, (_, v) => line(v)).join('\n    ');

/** component[g, i, k] from prepared components. */
const sharedKernel = memoizeKernel((width: number) =>
  kernel({
    name: 'gaussianMixtureShared',
    bindings: {
      z: `read ${element(width)}`,
      head: `read ${element(width)}`,
      inverses: `read ${element(width)}`,
      offsets: 'read f32',
      component: 'write f32',
    },
    uniforms: { count: 'u32', values: 'u32', tiles: 'u32', ...headUniforms },
    code: `${vectorType(width)} ${headIndex(width)}
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
const normalizeKernel = memoizeKernel((lanes: number) =>
  kernel({
    name: 'gaussianMixtureNormalize',
    bindings: { logits: 'read f32', component: 'write f32', log_prob: 'write f32' },
    uniforms: { rows: 'u32', values: 'u32', components: 'u32', head: 'u32', logit_scale: 'f32' },
    code: `${rowReductions(lanes)}
@compute @workgroup_size(${rowWorkgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let lane = l % ${lanes}u;
  let row = linear_workgroup(w, n) * ${rowWorkgroupSize / lanes}u + l / ${lanes}u;
  let end = select(0u, u.components, row < u.rows);
  let logit = (row / u.values) * u.head;
  let own = row * u.components;
  var logit_max = -3.4e38;
  var joint_max = -3.4e38;
  for (var k = lane; k < end; k += ${lanes}u) {
    logit_max = max(logit_max, u.logit_scale * logits[logit + k]);
    joint_max = max(joint_max, component[own + k]);
  }
  logit_max = row_max(logit_max, l);
  joint_max = row_max(joint_max, l);
  var logit_sum = 0.0;
  var joint_sum = 0.0;
  for (var k = lane; k < end; k += ${lanes}u) {
    logit_sum += exp(u.logit_scale * logits[logit + k] - logit_max);
    joint_sum += exp(component[own + k] - joint_max);
  }
  let log_weights = logit_max + log(row_sum(logit_sum, l));
  let log_joint = joint_max + log(row_sum(joint_sum, l));
  for (var k = lane; k < end; k += ${lanes}u) { component[own + k] -= log_weights; }
  if (lane == 0u && row < u.rows) { log_prob[row] = log_joint - log_weights; }
}`,
  }),
);

interface Sizes {
  readonly groups: number;
  readonly values: number;
  readonly components: number;
  readonly channels: number;
  /** Floats an element of T. */
  readonly width: number;
  readonly uniforms: readonly number[];
}

function sizesOf(
  shape: readonly number[],
  { components, logitScale, scale }: MixtureParams,
): Sizes {
  const [groups, values, channels] = shape as [number, number, number];
  const width = channels % 4 === 0 && components % 4 === 0 ? 4 : 1;
  const uniforms = [components, channels / width, logitScale, scale];
  return { groups, values, components, channels, width, uniforms };
}

const grid = (count: number) => linearGrid(Math.ceil(count / 64));

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
    run.dispatch(singleKernel(width), buffers, [perHead, ...uniforms], grid(perHead));
  } else {
    const inverses = run.temporary(perHead * channels * 4);
    const offsets = run.temporary(perHead * 4);
    const prepared = [head!, head!, inverses, offsets];
    run.dispatch(prepareKernel(width), prepared, [perHead, ...uniforms], grid(perHead));
    const tiles = Math.ceil(values / sharedTile);
    const count = perHead * tiles;
    run.dispatch(
      sharedKernel(width),
      [z!, head!, inverses, offsets, component!],
      [count, values, tiles, ...uniforms],
      grid(count),
    );
  }
  const lanes = lanesForRows(run.capabilities, components);
  run.dispatch(
    normalizeKernel(lanes),
    [head!, component!, logProb!],
    [groups * values, values, components, components * (1 + 2 * channels), params.logitScale],
    linearGrid(rowWorkgroups(groups * values, lanes)),
  );
};

/**
 * One invocation a component and channel, over the group's values in order: gradients of means and raw scales,
 * and on the way the precision 1/std² and each component's summed weight.
 * With deviation e: d mean = Σ w e / std; d raw = Σ w (e² − 1) / √(raw² + 4), since d log std / d raw is that root's inverse.
 */
const headGradientKernel = memoizeKernel((width: number) =>
  kernel({
    name: 'gaussianMixtureHeadGradient',
    bindings: {
      z: `read ${element(width)}`,
      head: `read ${element(width)}`,
      weights: 'read f32',
      dhead: `write ${element(width)}`,
      precisions: `write ${element(width)}`,
      sums: 'write f32',
    },
    uniforms: { count: 'u32', values: 'u32', ...headUniforms },
    code: `${vectorType(width)} ${inverseStd} ${headIndex(width)}
${mainFunction(`
  let j = id % u.width;
  let own = id / u.width;
  let k = own % u.components;
  let group = own / u.components;
  let at = means_of(group, k) + j;
  let mean = head[at];
  let raw = head[at + raw_after_means()];
  let inverse = inverse_std(raw, u.scale);
  var sum = 0.0;
  var pulls = T(0);
  var spreads = T(0);
  for (var i = 0u; i < u.values; i++) {
    let row = group * u.values + i;
    let weight = weights[row * u.components + k];
    let deviation = (z[row * u.width + j] - mean) * inverse;
    sum += weight;
    pulls += weight * deviation;
    spreads += weight * (deviation * deviation - 1.0);
  }
  dhead[at] = pulls * inverse;
  // No gradient below the smallest std.
  let slope = select(inverseSqrt(raw * raw + 4.0), T(0), raw < T(-1e6));
  dhead[at + raw_after_means()] = spreads * slope;
  precisions[id] = inverse * inverse;
  if (j == 0u) { sums[own] = sum; }`)}`,
  }),
);

/** d logit_k = T_π (Σ_i w_ik − softmax_k Σ_ik w_ik), a row a group. */
const logitGradientKernel = memoizeKernel((lanes: number) =>
  kernel({
    name: 'gaussianMixtureLogitGradient',
    bindings: { logits: 'read f32', sums: 'read f32', dhead: 'write f32' },
    uniforms: { rows: 'u32', components: 'u32', head: 'u32', logit_scale: 'f32' },
    code: `${rowReductions(lanes)}
@compute @workgroup_size(${rowWorkgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let lane = l % ${lanes}u;
  let row = linear_workgroup(w, n) * ${rowWorkgroupSize / lanes}u + l / ${lanes}u;
  let end = select(0u, u.components, row < u.rows);
  var largest = -3.4e38;
  var weight = 0.0;
  for (var k = lane; k < end; k += ${lanes}u) {
    largest = max(largest, u.logit_scale * logits[row * u.head + k]);
    weight += sums[row * u.components + k];
  }
  largest = row_max(largest, l);
  weight = row_sum(weight, l);
  var sum = 0.0;
  for (var k = lane; k < end; k += ${lanes}u) {
    sum += exp(u.logit_scale * logits[row * u.head + k] - largest);
  }
  let share = weight / row_sum(sum, l);
  for (var k = lane; k < end; k += ${lanes}u) {
    let at = row * u.head + k;
    let probability = exp(u.logit_scale * logits[at] - largest) * share;
    dhead[at] = u.logit_scale * (sums[row * u.components + k] - probability);
  }
}`,
  }),
);

/** dz = Σ_k w_k (mean − z) / std², one invocation a channel of up to four values. */
const valueGradientKernel = memoizeKernel((width: number, tile: number) =>
  kernel({
    name: 'gaussianMixtureValueGradient',
    bindings: {
      z: `read ${element(width)}`,
      head: `read ${element(width)}`,
      precisions: `read ${element(width)}`,
      weights: 'read f32',
      dz: `write ${element(width)}`,
    },
    uniforms: { count: 'u32', values: 'u32', tiles: 'u32', ...headUniforms },
    code: `${vectorType(width)} ${headIndex(width)}
${mainFunction(`
  let j = id % u.width;
  let rest = id / u.width;
  let group = rest / u.tiles;
  let first = (rest % u.tiles) * ${tile}u;
  ${tiled(
    tile,
    (v) => `let row${v} = group * u.values + min(first + ${v}u, u.values - 1u);
    let z${v} = z[row${v} * u.width + j];
    var sum${v} = T(0);`,
  )}
  for (var k = 0u; k < u.components; k++) {
    let mean = head[means_of(group, k) + j];
    let inverse_variance = precisions[(group * u.components + k) * u.width + j];
    ${tiled(tile, (v) => `sum${v} += weights[row${v} * u.components + k] * (mean - z${v}) * inverse_variance;`)}
  }
  ${tiled(tile, (v) => `if (first + ${v}u < u.values) { dz[row${v} * u.width + j] = sum${v}; }`)}`)}`,
  }),
);

/** Inputs z, head and weights [G, n, K]; outputs dz and dhead. */
export const gaussianMixtureBackwardKernel: WebGpuKernel<MixtureParams> = (
  run: KernelRun,
  { inputs, outputs, params },
) => {
  const [z, head, weights] = inputs;
  const [dz, dhead] = outputs;
  const { groups, values, components, channels, width, uniforms } = sizesOf(z!.shape, params);
  const precisions = run.temporary(groups * components * channels * 4);
  const sums = run.temporary(groups * components * 4);
  const perChannel = (groups * components * channels) / width;
  run.dispatch(
    headGradientKernel(width),
    [z!, head!, weights!, dhead!, precisions, sums],
    [perChannel, values, ...uniforms],
    grid(perChannel),
  );
  const lanes = lanesForRows(run.capabilities, components);
  run.dispatch(
    logitGradientKernel(lanes),
    [head!, sums, dhead!],
    [groups, components, components * (1 + 2 * channels), params.logitScale],
    linearGrid(rowWorkgroups(groups, lanes)),
  );
  const tile = values === 1 ? 1 : sharedTile;
  const tiles = Math.ceil(values / tile);
  const count = (groups * tiles * channels) / width;
  run.dispatch(
    valueGradientKernel(width, tile),
    [z!, head!, precisions, weights!, dz!],
    [count, values, tiles, ...uniforms],
    grid(count),
  );
};
