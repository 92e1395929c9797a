import { apply1 } from '../apply.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import { checkShape, formatShape, ShapeError, sizeOf, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** The same values in row-major order under another shape; shares memory. */
export const reshapeOp: Op<{ shape: Shape }> = {
  name: 'reshape',
  alias: true,
  infer([x], { shape }) {
    checkShape('reshape', shape);
    if (sizeOf(x!.shape) !== sizeOf(shape)) {
      throw new ShapeError(
        `reshape: ${formatShape(x!.shape)} has ${sizeOf(x!.shape)} elements, ` +
          `${formatShape(shape)} would need ${sizeOf(shape)}`,
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  reference: ([x], { shape }) => [ndarray(shape, x!.data, x!.dtype)],
  vjp: ({ inputs, gradients }) => [gradients[0] ? reshape(gradients[0], inputs[0]!.shape) : null],
  sample(random) {
    const [a, b, c] = random.shape(3);
    return { inputs: [random.normals([a!, b!, c!])], params: { shape: [c!, a! * b!] } };
  },
};

/**
 * Views a tensor under another shape of the same size; one length may be −1 and is then worked out.
 * @throws ShapeError when the sizes differ
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const unknown = shape.indexOf(-1);
  if (unknown < 0) return apply1(reshapeOp, [x], { shape });
  if (shape.indexOf(-1, unknown + 1) >= 0) {
    throw new ShapeError(`reshape: ${formatShape(shape)} leaves more than one length open`);
  }
  const known = shape.reduce((size, length, axis) => (axis === unknown ? size : size * length), 1);
  if (known === 0 || x.size % known !== 0) {
    throw new ShapeError(
      `reshape: no length in place of -1 makes ${formatShape(shape)} hold the ${x.size} elements of ${formatShape(x.shape)}`,
    );
  }
  const resolved = shape.map((length, axis) => (axis === unknown ? x.size / known : length));
  return apply1(reshapeOp, [x], { shape: resolved });
}
