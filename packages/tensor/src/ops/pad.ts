import { apply1 } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import { bitsOf } from '../dtype.ts';
import { padBits as padOnCpu } from '../cpu/pad.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { formatShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { fillBits } from '../webgpu/fill.ts';
import { padBits } from '../webgpu/pad.ts';
import { sampleArray } from './sample-array.ts';
import { sliceBlock } from './slice.ts';

/** How many elements to add before and after, for each axis. */
export type Padding = readonly (readonly [before: number, after: number])[];

/** Surrounds a tensor with a constant. */
export const padOp: Op<{ padding: Padding; value: number }> = {
  name: 'pad',
  infer([x], { padding }) {
    const { shape, dtype } = x!;
    const whole = padding.flat().every((count) => Number.isSafeInteger(count) && count >= 0);
    if (!whole || padding.length !== shape.length) {
      throw new ShapeError(
        `pad: padding ${JSON.stringify(padding)} does not fit shape ${formatShape(shape)}; ` +
          `expected a pair [before, after] of whole numbers of at least 0 for each of its ${shape.length} axes`,
      );
    }
    return [{ shape: padded(shape, padding), dtype }];
  },
  reference([x], { padding, value }) {
    const shape = padded(x!.shape, padding);
    const element = (index: number) => {
      const source = coordinatesOf(index, shape).map((c, axis) => c - padding[axis]![0]);
      const inside = source.every((c, axis) => c >= 0 && c < x!.shape[axis]!);
      return inside ? x!.data[indexOf(source, x!.shape)]! : value;
    };
    return [ndarrayOf(shape, element, x!.dtype)];
  },
  kernels: {
    cpu: (run, { inputs: [x], outputs: [y], params: { padding, value } }) =>
      padOnCpu(run, {
        from: x!,
        to: y!,
        before: padding.map(([before]) => before),
        bits: bitsOf(value, x!.dtype),
      }),
    webgpu(run, { inputs: [x], outputs: [y], params: { padding, value } }) {
      const bits = bitsOf(value, x!.dtype);
      if (x!.size === 0) fillBits(run, y!, bits);
      else padBits(run, { from: x!, to: y!, before: padding.map(([before]) => before), bits });
    },
  },
  vjp({ inputs: [x], params: { padding }, gradients: [gradient] }) {
    if (!gradient) return [null];
    const starts = padding.map(([before]) => before);
    return [sliceBlock(gradient, starts, x!.shape)];
  },
  sample(random) {
    const x = sampleArray(random, random.integer(0, 6));
    const padding = x.shape.map(() =>
      random.uniform() < 0.5
        ? ([0, 0] as const)
        : ([random.integer(0, 5), random.integer(0, 5)] as const),
    );
    return { inputs: [x], params: { padding, value: random.integer(0, 3) } };
  },
};

function padded(shape: readonly number[], padding: Padding): number[] {
  return shape.map((length, axis) => padding[axis]![0] + length + padding[axis]![1]);
}

/**
 * Surrounds `x` with `value`.
 * @param padding [before, after] for each axis
 * @throws ShapeError unless there is one pair of whole numbers for each axis
 */
export function pad(x: Tensor, padding: Padding, value = 0): Tensor {
  return apply1(padOp, [x], { padding, value });
}
