import { apply } from '../apply.ts';
import { sgdKernel as cpuKernel } from '../cpu/optimisers.ts';
import { memoize } from '../memo.ts';
import type { Op, TensorSpec } from '../op.ts';
import { ndarray } from '../reference.ts';
import type { Tensor } from '../tensor.ts';
import { sgdKernel } from '../webgpu/optimisers.ts';
import { arenaOffsets, checkArena, checkDecays, checkPairs } from './arena.ts';
import { checkFloats } from './check-floats.ts';
import { sampleArena, sampleUpdate } from './sample-update.ts';

export interface SgdParams {
  /** 0 without velocities. */
  readonly momentum: number;
  /** One for each parameter; added to the gradient as decay · parameter. */
  readonly weightDecay: readonly number[];
}

/**
 * The SGD step of `count` parameters: inputs are scalars, clip, parameters, gradients, and with momentum the arena of
 * velocities.
 */
export const sgdOp = memoize((count: number, hasVelocities: boolean): Op<SgdParams> => {
  const split = <T extends TensorSpec>(inputs: readonly T[]) => ({
    parameters: inputs.slice(2, 2 + count),
    gradients: inputs.slice(2 + count, 2 + 2 * count),
    velocities: inputs.slice(2 + 2 * count),
  });
  const mutated = Array.from({ length: count }, (_, i) => 2 + i);
  return {
    name: `sgd of ${count}${hasVelocities ? ' with momentum' : ''}`,
    mutates: hasVelocities ? [...mutated, 2 + 2 * count] : mutated,
    infer(inputs, { weightDecay }) {
      const { parameters, gradients, velocities } = split(inputs);
      checkFloats('sgd', inputs);
      checkDecays('sgd', count, weightDecay);
      checkPairs('sgd', parameters, gradients, 'gradient');
      velocities.forEach((arena) => checkArena('sgd', arena, parameters));
      return [];
    },
    reference(inputs, { momentum, weightDecay }) {
      const rate = inputs[0]!.data[0]!;
      const [scale, applies] = inputs[1]!.data;
      const { parameters, gradients, velocities } = split(inputs);
      const moved = velocities.map(({ data }) => data.slice());
      const offsets = arenaOffsets(parameters);
      const updated = parameters.map(({ data }, k) =>
        data.map((p, i) => {
          if (applies === 0) return p;
          const at = offsets[k]! + i;
          let step = gradients[k]!.data[i]! * scale! + weightDecay[k]! * p;
          for (const velocity of moved) step = velocity[at] = momentum * velocity[at]! + step;
          return p - rate * step;
        }),
      );
      return [
        ...parameters.map(({ shape }, k) => ndarray(shape, updated[k]!)),
        ...moved.map((data) => ndarray([data.length], data)),
      ];
    },
    kernels: { webgpu: sgdKernel, cpu: cpuKernel },
    sample(random) {
      const { scalars, clip, parameters, gradients } = sampleUpdate(random, count);
      const velocities = hasVelocities ? [sampleArena(parameters, random.normal)] : [];
      return {
        inputs: [scalars, clip, ...parameters, ...gradients, ...velocities],
        params: {
          momentum: hasVelocities ? 0.9 : 0,
          weightDecay: parameters.map(({ shape }) => (shape.length > 1 ? 0.1 : 0)),
        },
      };
    },
  };
});

/**
 * One step of gradient descent, in place, for many parameters at once:
 * g ← g + decay·p, velocity ← momentum·velocity + g, p ← p − rate·velocity (without velocities: p − rate·g).
 * A captured step replays with only `scalars` rewritten.
 */
export function sgdUpdate(
  state: {
    readonly parameters: readonly Tensor[];
    readonly gradients: readonly Tensor[];
    /** Flat, of `arenaSize(parameters)` elements, zeros at the start; absent: no momentum. */
    readonly velocities?: Tensor;
    /** [4]: the learning rate, and three that are not used. */
    readonly scalars: Tensor;
    /** [2]: a factor for all gradients, and 0 to skip the step (see `clipScale`). */
    readonly clip: Tensor;
  },
  params: SgdParams,
): void {
  const { parameters, gradients, velocities, scalars, clip } = state;
  const arenas = velocities ? [velocities] : [];
  const inputs = [scalars, clip, ...parameters, ...gradients, ...arenas];
  apply(sgdOp(parameters.length, arenas.length > 0), inputs, params);
}
