import type { WebGpuKernel } from './kernel.ts';
import { runMultiTensor, type MultiTensor } from './multi-tensor.ts';

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
