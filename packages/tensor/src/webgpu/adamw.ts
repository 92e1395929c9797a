import type { AdamwParams } from '../ops/adamw.ts';
import { arenaOffsets } from '../ops/arena.ts';
import type { WebGpuKernel } from './kernel.ts';
import { runMultiTensor, type MultiTensor } from './multi-tensor.ts';

const adamw: MultiTensor = {
  name: 'adamw',
  shared: {
    scalars: 'read f32',
    clip: 'read f32',
    first_moments: 'write vec4f',
    second_moments: 'write vec4f',
  },
  each: { parameter: 'write vec4f', gradient: 'read vec4f' },
  uniforms: { beta1: 'f32', beta2: 'f32', rest1: 'f32', rest2: 'f32', epsilon: 'f32' },
  eachUniforms: { offset: 'u32', decay: 'f32' },
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
  start: 'if (clip[1] == 0.0) { return; }',
  body: (name) => `let p = own(${name('parameter')}[i], i, ${name('size')});
      let g = own(${name('gradient')}[i], i, ${name('size')});
      ${name('parameter')}[i] = updated(p, g, ${name('offset')} + i, ${name('decay')});`,
};

/** Inputs scalars, clip, the parameters, their gradients, and both arenas of moments. */
export const adamwKernel: WebGpuKernel<AdamwParams> = (run, { inputs, params }) => {
  const { beta1, beta2, epsilon, weightDecay } = params;
  const count = weightDecay.length;
  const [scalars, clip] = inputs as [(typeof inputs)[0], (typeof inputs)[0]];
  const parameters = inputs.slice(2, 2 + count);
  const [firstMoments, secondMoments] = inputs.slice(2 + 2 * count);
  const offsets = arenaOffsets(parameters);
  runMultiTensor(
    run,
    adamw,
    {
      buffers: [scalars, clip, firstMoments!, secondMoments!],
      uniforms: [beta1, beta2, 1 - beta1, 1 - beta2, epsilon],
    },
    parameters.map((parameter, i) => ({
      size: parameter.size,
      buffers: [parameter, inputs[2 + count + i]!],
      uniforms: [offsets[i]! / 4, weightDecay[i]!],
    })),
  );
};
