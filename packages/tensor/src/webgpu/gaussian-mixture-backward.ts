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

/**
 * One invocation a component and channel, over the group's values in order: gradients of means and raw scales,
 * and on the way the precision 1/std² and each component's summed weight.
 * With deviation e: d mean = Σ w e / std; d raw = Σ w (e² − 1) / √(raw² + 4), since d log std / d raw is that root's inverse.
 */
const headGradientKernel = memoize((width: number) =>
  kernel({
    name: 'gaussianMixtureHeadGradient',
    bindings: {
      z: `read ${floatType(width)}`,
      head: `read ${floatType(width)}`,
      weights: 'read f32',
      dhead: `write ${floatType(width)}`,
      precisions: `write ${floatType(width)}`,
      sums: 'write f32',
    },
    uniforms: { count: 'u32', values: 'u32', ...headUniforms },
    code: `${declareFloatType(width)} ${inverseStd} ${headIndex(width)}
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
const logitGradientKernel = memoizeByVariant((variant) =>
  kernel({
    name: 'gaussianMixtureLogitGradient',
    bindings: { logits: 'read f32', sums: 'read f32', dhead: 'write f32' },
    uniforms: { rows: 'u32', components: 'u32', head: 'u32', logit_scale: 'f32' },
    code: `${rowFunctions(variant, ['sum', 'max'])}${rowMain(
      variant,
      `  let end = select(0u, u.components, row < u.rows);
  var largest = -3.4e38;
  var weight = 0.0;
  for (var k = lane; k < end; k += ${variant.lanes}u) {
    largest = max(largest, u.logit_scale * logits[row * u.head + k]);
    weight += sums[row * u.components + k];
  }
  largest = row_max(largest, local);
  weight = row_sum(weight, local);
  var sum = 0.0;
  for (var k = lane; k < end; k += ${variant.lanes}u) {
    sum += exp(u.logit_scale * logits[row * u.head + k] - largest);
  }
  let share = weight / row_sum(sum, local);
  for (var k = lane; k < end; k += ${variant.lanes}u) {
    let at = row * u.head + k;
    let probability = exp(u.logit_scale * logits[at] - largest) * share;
    dhead[at] = u.logit_scale * (sums[row * u.components + k] - probability);
  }`,
    )}`,
  }),
);

/** dz = Σ_k w_k (mean − z) / std², one invocation a channel of up to four values. */
const valueGradientKernel = memoize((width: number, tile: number) =>
  kernel({
    name: 'gaussianMixtureValueGradient',
    bindings: {
      z: `read ${floatType(width)}`,
      head: `read ${floatType(width)}`,
      precisions: `read ${floatType(width)}`,
      weights: 'read f32',
      dz: `write ${floatType(width)}`,
    },
    uniforms: { count: 'u32', values: 'u32', tiles: 'u32', ...headUniforms },
    code: `${declareFloatType(width)} ${headIndex(width)}
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
  run,
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
    invocationGrid(perChannel),
  );
  runRowWork(run, {
    ...{ table: shortRows, rows: groups, length: components, kernel: logitGradientKernel },
    buffers: [head!, sums, dhead!],
    uniforms: [groups, components, components * (1 + 2 * channels), params.logitScale],
  });
  const tile = values === 1 ? 1 : sharedTile;
  const tiles = Math.ceil(values / tile);
  const count = (groups * tiles * channels) / width;
  run.dispatch(
    valueGradientKernel(width, tile),
    [z!, head!, precisions, weights!, dz!],
    [count, values, tiles, ...uniforms],
    invocationGrid(count),
  );
};
