import { apply } from '../apply.ts';
import { adamwKernel as cpuKernel } from '../cpu/optimisers.ts';
import { memoize } from '../memo.ts';
import type { Op, TensorSpec } from '../op.ts';
import { ndarray } from '../reference.ts';
import type { Tensor } from '../tensor.ts';
import { adamwKernel } from '../webgpu/optimisers.ts';
import { arenaOffsets, checkArena, checkDecays, checkPairs } from './arena.ts';
import { checkFloats } from './check-floats.ts';
import { sampleArena, sampleUpdate } from './sample-update.ts';

export interface AdamwParams {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** One for each parameter. */
  readonly weightDecay: readonly number[];
}

/** The AdamW step of `count` parameters: inputs are scalars, clip, parameters, gradients and two arenas of moments. */
export const adamwOp = memoize((count: number): Op<AdamwParams> => {
  const split = <T extends TensorSpec>(inputs: readonly T[]) => ({
    parameters: inputs.slice(2, 2 + count),
    gradients: inputs.slice(2 + count, 2 + 2 * count),
    moments: inputs.slice(2 + 2 * count),
  });
  return {
    name: `adamw of ${count}`,
    mutates: [...Array.from({ length: count }, (_, i) => 2 + i), 2 + 2 * count, 2 + 2 * count + 1],
    infer(inputs, { weightDecay }) {
      const { parameters, gradients, moments } = split(inputs);
      checkFloats('adamw', inputs);
      checkDecays('adamw', count, weightDecay);
      checkPairs('adamw', parameters, gradients, 'gradient');
      moments.forEach((arena) => checkArena('adamw', arena, parameters));
      return [];
    },
    reference(inputs, { beta1, beta2, epsilon, weightDecay }) {
      const [rate, correction1, correction2] = inputs[0]!.data;
      const [scale, applies] = inputs[1]!.data;
      const { parameters, gradients, moments } = split(inputs);
      const [m, v] = moments.map(({ data }) => data.slice()) as [Float64Array, Float64Array];
      const offsets = arenaOffsets(parameters);
      const updated = parameters.map(({ data }, k) =>
        data.map((p, i) => {
          if (applies === 0) return p;
          const at = offsets[k]! + i;
          const g = gradients[k]!.data[i]! * scale!;
          m[at] = beta1 * m[at]! + (1 - beta1) * g;
          v[at] = beta2 * v[at]! + (1 - beta2) * g * g;
          const step = m[at]! / correction1! / (Math.sqrt(v[at]! / correction2!) + epsilon);
          return p - rate! * (step + weightDecay[k]! * p);
        }),
      );
      return [
        ...parameters.map(({ shape }, k) => ndarray(shape, updated[k]!)),
        ...[m, v].map((data) => ndarray([data.length], data)),
      ];
    },
    kernels: { webgpu: adamwKernel, cpu: cpuKernel },
    sample(random) {
      const { scalars, clip, parameters, gradients } = sampleUpdate(random, count);
      return {
        inputs: [
          scalars,
          clip,
          ...parameters,
          ...gradients,
          sampleArena(parameters, random.normal),
          sampleArena(parameters, random.uniform),
        ],
        params: {
          beta1: 0.9,
          beta2: 0.95,
          epsilon: 1e-8,
          weightDecay: parameters.map(({ shape }) => (shape.length > 1 ? 0.1 : 0)),
        },
      };
    },
  };
});

/**
 * One AdamW step with decoupled weight decay, in place, for many parameters at once:
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − rate·(m̂ / (√v̂ + ε) + decay·p).
 * A captured step replays with only `scalars` rewritten.
 */
export function adamwUpdate(
  state: {
    readonly parameters: readonly Tensor[];
    readonly gradients: readonly Tensor[];
    /** Flat, of `arenaSize(parameters)` elements, zeros at the start; `arenaOffsets` tells whose is what. */
    readonly firstMoments: Tensor;
    readonly secondMoments: Tensor;
    /** [4]: learning rate, 1 − β₁ᵗ, 1 − β₂ᵗ, not used. */
    readonly scalars: Tensor;
    /** [2]: a factor for all gradients, and 0 to skip the step and leave everything as it is (see `clipScale`). */
    readonly clip: Tensor;
  },
  params: AdamwParams,
): void {
  const { parameters, gradients, firstMoments, secondMoments, scalars, clip } = state;
  const inputs = [scalars, clip, ...parameters, ...gradients, firstMoments, secondMoments];
  apply(adamwOp(parameters.length), inputs, params);
}
