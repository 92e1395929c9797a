import type { AdamwParams } from '../ops/adamw.ts';
import { arenaOffsets } from '../ops/arena.ts';
import type { SgdParams } from '../ops/sgd.ts';
import type { Tensor } from '../tensor.ts';
import { pointerOf, type CpuKernel } from './kernel.ts';
import {
  itemsOf,
  multiTensorTasks,
  runMultiTensor,
  type MultiTensorKernel,
  type MultiTensorTask,
} from './multi-tensor.ts';
import type { F32x4 } from './wasm/index.ts';

/** Element `index` of a small block, in all lanes. */
const scalar = ({ f, shared }: MultiTensorTask, block: string, index: number): F32x4 =>
  f.let(f.splat(shared(block), 4 * index));

/** Runs `body` unless the step is to be skipped: clip[1] = 0. */
const unlessSkipped = (task: MultiTensorTask, body: () => void): void =>
  task.f.if(task.f.f32(task.shared('clip'), 4).ne(0), body);

/** m ← β₁m + (1 - β₁)g, v ← β₂v + (1 - β₂)g², p ← p - rate (m̂ / (√v̂ + ε) + decay p) */
const adamw: MultiTensorKernel = {
  name: 'adamw',
  shared: ['scalars', 'clip'],
  numbers: ['beta1', 'beta2', 'rest1', 'rest2', 'epsilon'],
  blocks: ['parameter', 'gradient', 'm', 'v'],
  eachNumbers: ['decay'],
  body: (task) =>
    unlessSkipped(task, () => {
      const { f, number } = task;
      const [rate, correction1, correction2] = [0, 1, 2].map((i) => scalar(task, 'scalars', i));
      const scale = scalar(task, 'clip', 0);
      task.each((at) => {
        const p = at.load('parameter');
        const g = f.let(at.load('gradient').mul(scale));
        const m = f.let(number('beta1').mul(at.load('m')).add(number('rest1').mul(g)));
        const v = f.let(number('beta2').mul(at.load('v')).add(number('rest2').mul(g).mul(g)));
        at.store('m', m);
        at.store('v', v);
        const deviation = v.div(correction2!).sqrt().add(number('epsilon'));
        const step = m.div(correction1!).div(deviation).add(at.number('decay').mul(p));
        at.store('parameter', p.sub(rate!.mul(step)));
      });
    }),
};

/** Inputs scalars, clip, the parameters, their gradients, and both arenas of moments. */
export const adamwKernel: CpuKernel<AdamwParams> = (run, { inputs, params }) => {
  const { beta1, beta2, epsilon, weightDecay } = params;
  const { pointers, tasks } = splitInputs(inputs, weightDecay);
  const numbers = [beta1, beta2, 1 - beta1, 1 - beta2, epsilon];
  runMultiTensor(run, adamw, { pointers, numbers }, tasks);
};

/** step = scale g + decay p, with velocities u ← momentum u + step, step = u; p ← p - rate step */
const sgd = (hasVelocities: boolean): MultiTensorKernel => ({
  name: hasVelocities ? 'sgd with momentum' : 'sgd',
  shared: ['scalars', 'clip'],
  numbers: ['momentum'],
  blocks: ['parameter', 'gradient', ...(hasVelocities ? ['velocity'] : [])],
  eachNumbers: ['decay'],
  body: (task) =>
    unlessSkipped(task, () => {
      const { f, number } = task;
      const [rate, scale] = [scalar(task, 'scalars', 0), scalar(task, 'clip', 0)];
      task.each((at) => {
        const p = at.load('parameter');
        const pull = at.load('gradient').mul(scale).add(at.number('decay').mul(p));
        const step = f.let(
          hasVelocities ? number('momentum').mul(at.load('velocity')).add(pull) : pull,
        );
        if (hasVelocities) at.store('velocity', step);
        at.store('parameter', p.sub(rate.mul(step)));
      });
    }),
});
const plainSgd = sgd(false);
const momentumSgd = sgd(true);

/** Inputs scalars, clip, the parameters, their gradients, and maybe the arena of velocities. */
export const sgdKernel: CpuKernel<SgdParams> = (run, { inputs, params }) => {
  const { momentum, weightDecay } = params;
  const { pointers, arenas, tasks } = splitInputs(inputs, weightDecay);
  const kernel = arenas.length > 0 ? momentumSgd : plainSgd;
  runMultiTensor(run, kernel, { pointers, numbers: [momentum] }, tasks);
};

/** Of inputs scalars, clip, the parameters, their gradients, and arenas: what all share, and the tasks. */
function splitInputs(inputs: readonly Tensor[], weightDecay: readonly number[]) {
  const count = weightDecay.length;
  const parameters = inputs.slice(2, 2 + count);
  const gradients = inputs.slice(2 + count, 2 + 2 * count);
  const arenas = inputs.slice(2 + 2 * count);
  const offsets = arenaOffsets(parameters);
  const items = itemsOf(parameters, gradients).map(({ size, pointers }, i) => {
    const inArenas = arenas.map((arena) => pointerOf(arena) + 4 * offsets[i]!);
    return { size, pointers: [...pointers, ...inArenas], numbers: [weightDecay[i]!] };
  });
  return { pointers: inputs.slice(0, 2).map(pointerOf), arenas, tasks: multiTensorTasks(items) };
}

const ema: MultiTensorKernel = {
  name: 'ema',
  shared: [],
  numbers: ['decay', 'rest'],
  blocks: ['average', 'parameter'],
  body: ({ number, each }) =>
    each((at) => {
      const kept = number('decay').mul(at.load('average'));
      at.store('average', kept.add(number('rest').mul(at.load('parameter'))));
    }),
};

/** Inputs the averages, then the parameters. */
export const emaKernel: CpuKernel<{ decay: number }> = (run, { inputs, params: { decay } }) => {
  const count = inputs.length / 2;
  const tasks = multiTensorTasks(itemsOf(inputs.slice(0, count), inputs.slice(count)));
  runMultiTensor(run, ema, { pointers: [], numbers: [decay, 1 - decay] }, tasks);
};
