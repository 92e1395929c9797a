import { apply1 } from '../apply.ts';
import {
  clipScaleKernel as cpuClipScale,
  globalNormKernel as cpuGlobalNorm,
} from '../cpu/global-norm.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import { formatShape, ShapeError, sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { clipScaleKernel, globalNormKernel } from '../webgpu/global-norm.ts';
import { checkFloats } from './check-floats.ts';

type NoParams = Record<never, never>;

/** √ of the sum of all squares of all inputs. */
export const globalNormOp: Op<NoParams> = {
  name: 'globalNorm',
  infer(inputs) {
    checkFloats('globalNorm', inputs);
    return [{ shape: [], dtype: 'f32' }];
  },
  reference(inputs) {
    const squares = inputs.flatMap(({ data }) => [...data]).map((x) => x * x);
    return [ndarray([], [Math.sqrt(squares.reduce((a, b) => a + b, 0))])];
  },
  kernels: { webgpu: globalNormKernel, cpu: cpuGlobalNorm },
  sample(random) {
    const count = random.integer(1, 20);
    const shapes = Array.from({ length: count }, () =>
      random.pick([random.shape(1, 257), random.shape(3, 17), [4101], []]),
    );
    return { inputs: shapes.map((shape) => random.normals(shape)), params: {} };
  },
};

/** Makes a norm into the factor that clips it, with a flag against steps that are not finite. */
export const clipScaleOp: Op<{ maxNorm: number }> = {
  name: 'clipScale',
  infer([norm]) {
    if (sizeOf(norm!.shape) !== 1) {
      throw new ShapeError(`clipScale: needs one norm, got shape ${formatShape(norm!.shape)}`);
    }
    checkFloats('clipScale', [norm!]);
    return [{ shape: [2], dtype: 'f32' }];
  },
  reference([norm], { maxNorm }) {
    const [value] = norm!.data as unknown as [number];
    if (!Number.isFinite(value)) return [ndarray([2], [0, 0])];
    return [ndarray([2], [value > maxNorm ? maxNorm / value : 1, 1])];
  },
  kernels: { webgpu: clipScaleKernel, cpu: cpuClipScale },
  sample(random) {
    const value = random.pick([0, 1e-30, 3e38, Infinity, NaN, random.uniform(), 3]);
    const maxNorm = random.pick([1, 0.5, Infinity]);
    return { inputs: [ndarray([], [Math.fround(value)])], params: { maxNorm } };
  },
};

/**
 * The Euclidean norm of all tensors together, for clipping gradients.
 * @param tensors f32, of any shapes; at least one
 * @returns []
 */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new Error('globalNorm: needs at least one tensor, got none');
  return apply1(globalNormOp, tensors, {});
}

/**
 * What `adamwUpdate` and `sgdUpdate` need to clip gradients, or to skip the step if their norm is not finite.
 * @param norm of all gradients, []
 * @param maxNorm Infinity: never clip
 * @returns [2]: min(1, maxNorm / norm), and 1; both 0 when the norm is infinite or not a number
 */
export function clipScale(norm: Tensor, maxNorm: number): Tensor {
  return apply1(clipScaleOp, [norm], { maxNorm });
}
