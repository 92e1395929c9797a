import { apply } from '../apply.ts';
import { coordinatesOf, indexOf } from '../coordinates.ts';
import type { Op } from '../op.ts';
import { ndarrayOf } from '../reference.ts';
import { formatShape, normalizeAxis, ShapeError } from '../shape.ts';
import type { StridedCopy } from '../strided-copy.ts';
import type { Tensor } from '../tensor.ts';
import { aroundAxis, withLength } from './axis.ts';
import { copyKernels } from './copy-kernels.ts';
import { concat } from './concat.ts';
import { zeros } from './fill.ts';
import { sampleArray } from './sample-array.ts';

/** Cuts a tensor into parts of the given sizes along one axis. */
export const splitOp: Op<{ axis: number; sizes: readonly number[] }> = {
  name: 'split',
  infer([x], { axis, sizes }) {
    const { shape, dtype } = x!;
    normalizeAxis('split', axis, shape.length);
    const whole = sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
    if (!whole || sizes.reduce((a, b) => a + b, 0) !== shape[axis]) {
      throw new ShapeError(
        `split: sizes ${formatShape(sizes)} do not add up to the ${shape[axis]} of axis ${axis} ` +
          `of shape ${formatShape(shape)}`,
      );
    }
    return sizes.map((size) => ({ shape: withLength(shape, axis, size), dtype }));
  },
  reference([x], { axis, sizes }) {
    let end = 0;
    return sizes.map((size) => {
      const start = end;
      end += size;
      const shape = withLength(x!.shape, axis, size);
      const value = (index: number) => {
        const source = coordinatesOf(index, shape);
        source[axis]! += start;
        return x!.data[indexOf(source, x!.shape)]!;
      };
      return ndarrayOf(shape, value, x!.dtype);
    });
  },
  kernels: copyKernels(({ inputs: [x], outputs, params: { axis } }) => {
    const { outer, length: whole, inner } = aroundAxis(x!.shape, axis);
    const copies: StridedCopy[] = [];
    let start = 0;
    for (const output of outputs) {
      const length = output.shape[axis]! * inner;
      copies.push({
        lengths: [outer, length],
        from: x!,
        fromOffset: start,
        fromStrides: [whole * inner, 1],
        to: output,
        toStrides: [length, 1],
      });
      start += length;
    }
    return copies;
  }),
  vjp({ inputs: [x], outputs, params: { axis }, gradients }) {
    if (gradients.every((gradient) => gradient === null)) return [null];
    const parts = outputs.map(
      ({ shape, dtype }, i) => gradients[i] ?? zeros(shape, dtype, x!.device),
    );
    return [concat(parts, axis)];
  },
  sample(random) {
    const x = sampleArray(random, random.integer(1, 6));
    const axis = random.integer(0, x.shape.length - 1);
    const sizes: number[] = [];
    let rest = x.shape[axis]!;
    for (let parts = random.integer(0, 3); parts > 0; parts--) {
      const size = random.integer(0, rest);
      sizes.push(size);
      rest -= size;
    }
    return { inputs: [x], params: { axis, sizes: [...sizes, rest] } };
  },
};

/**
 * Cuts a tensor along one axis, which may count from the back; the backward is one concatenation.
 * @param sizes the length of each part, or the number of equal parts
 * @throws ShapeError when the sizes do not add up, or the number does not divide the axis
 */
export function split(x: Tensor, sizes: number | readonly number[], axis: number): Tensor[] {
  const along = normalizeAxis('split', axis, x.rank);
  const parts =
    typeof sizes === 'number' ? new Array<number>(sizes).fill(x.shape[along]! / sizes) : sizes;
  return apply(splitOp, [x], { axis: along, sizes: parts });
}
