import { arenaOffsets } from '../ops/arena.ts';
import type { SgdParams } from '../ops/sgd.ts';
import type { WebGpuKernel } from './kernel.ts';
import { runMultiTensor, type MultiTensor } from './multi-tensor.ts';

const base = {
  each: { parameter: 'write vec4f', gradient: 'read vec4f' },
  eachUniforms: { offset: 'u32', decay: 'f32' },
  start: 'if (clip[1] == 0.0) { return; }',
  body: (
    name: (name: string) => string,
  ) => `let p = own(${name('parameter')}[i], i, ${name('size')});
      let g = own(${name('gradient')}[i], i, ${name('size')});
      ${name('parameter')}[i] = updated(p, g, ${name('offset')} + i, ${name('decay')});`,
} as const;

const plain: MultiTensor = {
  ...base,
  name: 'sgd',
  shared: { scalars: 'read f32', clip: 'read f32' },
  uniforms: {},
  functions: `
fn updated(p: vec4f, gradient: vec4f, at: u32, decay: f32) -> vec4f {
  return p - scalars[0] * (gradient * clip[0] + decay * p);
}`,
};

const withMomentum: MultiTensor = {
  ...base,
  name: 'sgdMomentum',
  shared: { scalars: 'read f32', clip: 'read f32', velocities: 'write vec4f' },
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
  const count = weightDecay.length;
  const parameters = inputs.slice(2, 2 + count);
  const velocities = inputs.slice(2 + 2 * count);
  const offsets = arenaOffsets(parameters);
  const moves = velocities.length > 0;
  runMultiTensor(
    run,
    moves ? withMomentum : plain,
    { buffers: [inputs[0]!, inputs[1]!, ...velocities], uniforms: moves ? [momentum] : [] },
    parameters.map((parameter, i) => ({
      size: parameter.size,
      buffers: [parameter, inputs[2 + count + i]!],
      uniforms: [offsets[i]! / 4, weightDecay[i]!],
    })),
  );
};
