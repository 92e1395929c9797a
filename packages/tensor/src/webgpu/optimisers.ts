import type { AdamwParams } from '../ops/adamw.ts';
import { arenaOffsets } from '../ops/arena.ts';
import type { SgdParams } from '../ops/sgd.ts';
import type { Tensor } from '../tensor.ts';
import type { WebGpuKernel } from './kernel.ts';
import { runMultiTensor, type MultiTensor, type MultiTensorItem } from './multi-tensor.ts';

/** A step that `updated` computes from parameter, gradient, place in the arenas, and weight decay. */
const step: Omit<MultiTensor, 'name' | 'shared' | 'uniforms' | 'functions'> = {
  each: { parameter: 'write vec4f', gradient: 'read vec4f' },
  eachUniforms: { offset: 'u32', decay: 'f32' },
  start: 'if (clip[1] == 0.0) { return; }',
  body: (name) => `let p = own(${name('parameter')}[i], i, ${name('size')});
      let g = own(${name('gradient')}[i], i, ${name('size')});
      ${name('parameter')}[i] = updated(p, g, ${name('offset')} + i, ${name('decay')});`,
};

const scalarBindings = { scalars: 'read f32', clip: 'read f32' } as const;

/** Of inputs scalars, clip, the parameters, their gradients, and arenas: what all share, and what is each parameter's. */
function splitInputs(inputs: readonly Tensor[], weightDecay: readonly number[]) {
  const count = weightDecay.length;
  const parameters = inputs.slice(2, 2 + count);
  const offsets = arenaOffsets(parameters);
  const items = parameters.map((parameter, i): MultiTensorItem => ({
    size: parameter.size,
    buffers: [parameter, inputs[2 + count + i]!],
    uniforms: [offsets[i]! / 4, weightDecay[i]!],
  }));
  const arenas = inputs.slice(2 + 2 * count);
  return { shared: [...inputs.slice(0, 2), ...arenas], arenas, items };
}

const adamw: MultiTensor = {
  ...step,
  name: 'adamw',
  shared: { ...scalarBindings, first_moments: 'write vec4f', second_moments: 'write vec4f' },
  uniforms: { beta1: 'f32', beta2: 'f32', rest1: 'f32', rest2: 'f32', epsilon: 'f32' },
  functions: `
fn updated(p: vec4f, gradient: vec4f, at: u32, decay: f32) -> vec4f {
  let g = gradient * clip[0];
  let m = u.beta1 * first_moments[at] + u.rest1 * g;
  let v = u.beta2 * second_moments[at] + u.rest2 * g * g;
  first_moments[at] = m;
  second_moments[at] = v;
  let step = (m / scalars[1]) / (sqrt(v / scalars[2]) + u.epsilon);
  return p - scalars[0] * (step + decay * p);
}`,
};

/** Inputs scalars, clip, the parameters, their gradients, and both arenas of moments. */
export const adamwKernel: WebGpuKernel<AdamwParams> = (run, { inputs, params }) => {
  const { beta1, beta2, epsilon, weightDecay } = params;
  const { shared, items } = splitInputs(inputs, weightDecay);
  const uniforms = [beta1, beta2, 1 - beta1, 1 - beta2, epsilon];
  runMultiTensor(run, adamw, { buffers: shared, uniforms }, items);
};

const plainSgd: MultiTensor = {
  ...step,
  name: 'sgd',
  shared: scalarBindings,
  uniforms: {},
  functions: `
fn updated(p: vec4f, gradient: vec4f, at: u32, decay: f32) -> vec4f {
  return p - scalars[0] * (gradient * clip[0] + decay * p);
}`,
};

const momentumSgd: MultiTensor = {
  ...step,
  name: 'sgdMomentum',
  shared: { ...scalarBindings, velocities: 'write vec4f' },
  uniforms: { momentum: 'f32' },
  functions: `
fn updated(p: vec4f, gradient: vec4f, at: u32, decay: f32) -> vec4f {
  let velocity = u.momentum * velocities[at] + (gradient * clip[0] + decay * p);
  velocities[at] = velocity;
  return p - scalars[0] * velocity;
}`,
};

/** Inputs scalars, clip, the parameters, their gradients, and with momentum the arena of velocities. */
export const sgdKernel: WebGpuKernel<SgdParams> = (run, { inputs, params }) => {
  const { momentum, weightDecay } = params;
  const { shared, arenas, items } = splitInputs(inputs, weightDecay);
  if (arenas.length > 0) {
    runMultiTensor(run, momentumSgd, { buffers: shared, uniforms: [momentum] }, items);
  } else {
    runMultiTensor(run, plainSgd, { buffers: shared, uniforms: [] }, items);
  }
};

const ema: MultiTensor = {
  name: 'ema',
  shared: {},
  each: { average: 'write vec4f', parameter: 'read vec4f' },
  uniforms: { rest: 'f32' },
  eachUniforms: {},
  functions: '',
  body: (name) =>
    `${name('average')}[i] += u.rest * (${name('parameter')}[i] - ${name('average')}[i]);`,
};

/** Inputs the averages, then the parameters. */
export const emaKernel: WebGpuKernel<{ decay: number }> = (run, { inputs, params }) => {
  const count = inputs.length / 2;
  const items = inputs.slice(0, count).map((average, i) => ({
    size: average.size,
    buffers: [average, inputs[count + i]!],
    uniforms: [],
  }));
  runMultiTensor(run, ema, { buffers: [], uniforms: [1 - params.decay] }, items);
};
