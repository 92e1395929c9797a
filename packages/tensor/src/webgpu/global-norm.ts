import { kernel, type WebGpuKernel } from './kernel.ts';
import { multiTensorWorkgroups, runMultiTensor, type MultiTensor } from './multi-tensor.ts';
import { barriers64 } from './rows/select.ts';
import { rowFunctions } from './rows/variant.ts';

const { workgroup } = barriers64;
const rowSum = rowFunctions(barriers64, ['sum']);

// A partial sum an invocation: software adapters pay more for barriers than for a longer second stage.
const squares = (perInvocation: boolean): MultiTensor => ({
  name: 'sumOfSquares',
  shared: { partials: 'write f32' },
  each: { values: 'read vec4f' },
  uniforms: {},
  eachUniforms: {},
  functions: `
${perInvocation ? '' : rowSum}
fn squares_of(v: vec4f, i: u32, size: u32) -> f32 {
  let values = own(v, i, size);
  return dot(values, values);
}`,
  start: 'var sum = 0.0;',
  body: (name) => `sum += squares_of(${name('values')}[i], i, ${name('size')});`,
  end: perInvocation
    ? `partials[group * ${workgroup}u + l] = sum;`
    : `let group_sum = row_sum(sum, l);
  if (l == 0u) { partials[group] = group_sum; }`,
});

const squaresByInvocation = squares(true);
const squaresByWorkgroup = squares(false);

const finishKernel = kernel({
  name: 'globalNorm',
  bindings: { partials: 'read f32', norm: 'write f32' },
  uniforms: { count: 'u32' },
  code: `${rowSum}
@compute @workgroup_size(${workgroup})
fn main(@builtin(local_invocation_index) l: u32) {
  var sum = 0.0;
  for (var i = l; i < u.count; i += ${workgroup}u) { sum += partials[i]; }
  let total = row_sum(sum, l);
  if (l == 0u) { norm[0] = sqrt(total); }
}`,
});

/** Inputs any tensors; output their norm, []. */
export const globalNormKernel: WebGpuKernel<object> = (run, { inputs, outputs }) => {
  const software = run.capabilities.adapterKind === 'software';
  const workgroups = inputs.reduce((sum, { size }) => sum + multiTensorWorkgroups(size), 0);
  const count = software ? workgroups * workgroup : workgroups;
  const partials = run.temporary(Math.max(1, count) * 4);
  runMultiTensor(
    run,
    software ? squaresByInvocation : squaresByWorkgroup,
    { buffers: [partials], uniforms: [] },
    inputs.map((tensor) => ({ size: tensor.size, buffers: [tensor], uniforms: [] })),
  );
  run.dispatch(finishKernel, [partials, outputs[0]!], [count], [1]);
};

// Integer comparison of the exponent: compilers may take floats to be finite.
const clipKernel = kernel({
  name: 'clipScale',
  bindings: { norm: 'read f32', clip: 'write f32' },
  uniforms: { largest: 'f32' },
  code: `
@compute @workgroup_size(1)
fn main() {
  let finite = (bitcast<u32>(norm[0]) & 0x7f800000u) != 0x7f800000u;
  let scale = select(1.0, u.largest / norm[0], norm[0] > u.largest);
  clip[0] = select(0.0, scale, finite);
  clip[1] = select(0.0, 1.0, finite);
}`,
});

/** Input a norm, []; output [2]: the factor that clips it, and whether it is finite. */
export const clipScaleKernel: WebGpuKernel<{ maxNorm: number }> = (
  run,
  { inputs, outputs, params },
) => {
  run.dispatch(clipKernel, [inputs[0]!, outputs[0]!], [Math.min(params.maxNorm, 3e38)], [1]);
};
