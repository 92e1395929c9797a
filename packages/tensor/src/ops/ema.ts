import { apply } from '../apply.ts';
import { emaKernel as cpuKernel } from '../cpu/optimisers.ts';
import { memoize } from '../memo.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import type { Tensor } from '../tensor.ts';
import { emaKernel } from '../webgpu/optimisers.ts';
import { checkPairs } from './arena.ts';
import { checkFloats } from './check-floats.ts';
import { sampleUpdate } from './sample-update.ts';

/** Moves `count` averages towards as many parameters. */
export const emaOp = memoize((count: number): Op<{ decay: number }> => ({
  name: `ema of ${count}`,
  mutates: Array.from({ length: count }, (_, i) => i),
  infer(inputs) {
    checkFloats('ema', inputs);
    checkPairs('ema', inputs.slice(count), inputs.slice(0, count), 'average');
    return [];
  },
  reference: (inputs, { decay }) =>
    inputs.slice(0, count).map(({ shape, data }, k) => {
      const parameter = inputs[count + k]!.data;
      return ndarray(
        shape,
        data.map((average, i) => decay * average + (1 - decay) * parameter[i]!),
      );
    }),
  kernels: { webgpu: emaKernel, cpu: cpuKernel },
  sample(random) {
    const { parameters, gradients } = sampleUpdate(random, count);
    return { inputs: [...parameters, ...gradients], params: { decay: 0.9 } };
  },
}));

/**
 * Exponential moving averages of many tensors, in place: average ← decay · average + (1 − decay) · parameter.
 * @param averages one for each parameter, of its shape
 */
export function emaUpdate(
  averages: readonly Tensor[],
  parameters: readonly Tensor[],
  decay: number,
): void {
  apply(emaOp(averages.length), [...averages, ...parameters], { decay });
}
