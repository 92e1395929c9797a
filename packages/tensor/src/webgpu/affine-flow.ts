import { memoize } from '../memo.ts';
import { invocationGrid, kernel, workgroupSize, type WebGpuKernel } from './kernel.ts';
import { shortRows } from './rows/select.ts';
import { runRowWork } from './rows/tune.ts';
import { memoizeByVariant, rowFunctions, rowMain } from './rows/variant.ts';
import { declareFloatType, floatType } from './wgsl.ts';

// One row a token; its lanes walk the channels, and their log-scales add up to the row's log-det.
const forwardKernel = memoizeByVariant((variant, width: number) =>
  kernel({
    name: 'affineFlow',
    bindings: {
      x: `read ${floatType(width)}`,
      params: `read ${floatType(width)}`,
      z: `write ${floatType(width)}`,
      log_det: 'write f32',
    },
    uniforms: { rows: 'u32', tokens: 'u32', width: 'u32' },
    code: `${declareFloatType(width)}
${rowFunctions(variant, ['sum'])}${rowMain(
      variant,
      `  var sum = 0.0;
  if (row < u.rows) {
    let first = row % u.tokens == 0u;
    let shifts = (max(row, 1u) - 1u) * 2u * u.width;
    for (var j = lane; j < u.width; j += ${variant.lanes}u) {
      let value = x[row * u.width + j];
      // select, not a factor of 0: the previous sequence's parameters may be infinite.
      let log_scale = select(params[shifts + u.width + j], T(0), first);
      z[row * u.width + j] = select((value - params[shifts + j]) * exp(-log_scale), value, first);
      sum -= total(log_scale);
    }
  }
  let row_log_det = row_sum(sum, local);
  if (lane == 0u && row < u.rows) { log_det[row] = row_log_det; }`,
    )}`,
  }),
);

/** Inputs x [B, N, d] and params [B, N, 2d]; outputs z [B, N, d] and the log-det [B, N]. */
export const affineFlowKernel: WebGpuKernel<object> = (run, { inputs, outputs }) => {
  const [batch, tokens, channels] = inputs[0]!.shape as [number, number, number];
  const width = channels % 4 === 0 ? 4 : 1;
  const steps = channels / width;
  runRowWork(run, {
    ...{ table: shortRows, rows: batch * tokens, length: steps },
    kernel: (variant) => forwardKernel(variant, width),
    buffers: [...inputs, ...outputs],
    uniforms: [batch * tokens, tokens, steps],
  });
};

// A sequence's first token, which has no parameters, writes the gradient of the last one's, which shape nothing: 0.
const backwardKernel = memoize((width: number) =>
  kernel({
    name: 'affineFlowBackward',
    bindings: {
      params: `read ${floatType(width)}`,
      z: `read ${floatType(width)}`,
      dz: `read ${floatType(width)}`,
      dlog_det: 'read f32',
      dx: `write ${floatType(width)}`,
      dparams: `write ${floatType(width)}`,
    },
    uniforms: { count: 'u32', tokens: 'u32', width: 'u32' },
    code: `${declareFloatType(width)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (i >= u.count) { return; }
  let row = i / u.width;
  let j = i % u.width;
  let first = row % u.tokens == 0u;
  let previous = select(row - 1u, row + u.tokens - 1u, first);
  let shift = previous * 2u * u.width + j;
  let log_scale = shift + u.width;
  let g = dz[i];
  let d = select(g * exp(-params[log_scale]), g, first);
  dx[i] = d;
  dparams[shift] = select(-d, T(0), first);
  dparams[log_scale] = select(-g * z[i] - dlog_det[row], T(0), first);
}`,
  }),
);

/** Inputs params, z, dz and dlogDet; outputs dx and dparams. */
export const affineFlowBackwardKernel: WebGpuKernel<object> = (run, { inputs, outputs }) => {
  const [batch, tokens, channels] = inputs[1]!.shape as [number, number, number];
  const width = channels % 4 === 0 ? 4 : 1;
  const count = (batch * tokens * channels) / width;
  run.dispatch(
    backwardKernel(width),
    [...inputs, ...outputs],
    [count, tokens, channels / width],
    invocationGrid(count),
  );
};
