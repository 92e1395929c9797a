import { apply1 } from '../apply.ts';
import { argmaxMiddleAxis } from '../cpu/argmax.ts';
import type { DType } from '../dtype.ts';
import { memoize } from '../memo.ts';
import type { Op } from '../op.ts';
import { ndarray, ndarrayOf, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, normalizeAxis, ShapeError, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';
import { prefersRows, wholeRows } from '../webgpu/rows/select.ts';
import { runRowWork } from '../webgpu/rows/tune.ts';
import {
  enableSubgroups,
  memoizeByVariant,
  rowFunctions,
  rowMain,
} from '../webgpu/rows/variant.ts';
import { aroundAxis } from './axis.ts';

interface ArgmaxParams {
  readonly axis: number;
  readonly keepDims: boolean;
}

/** Index of the first largest element along an axis; NaN is larger than all numbers. */
export const argmaxOp: Op<ArgmaxParams> = {
  name: 'argmax',
  infer([x], { axis, keepDims }) {
    if (x!.shape[axis] === 0) {
      throw new ShapeError(
        `argmax: axis ${axis} of ${formatShape(x!.shape)} is empty; it needs at least one element`,
      );
    }
    const shape = x!.shape.flatMap((length, i) => (i !== axis ? [length] : keepDims ? [1] : []));
    return [{ shape, dtype: 'i32' }];
  },
  reference([x], params) {
    const { outer, length, inner } = aroundAxis(x!.shape, params.axis);
    const values = Array.from({ length: outer * inner }, (_, i) => {
      const start = Math.floor(i / inner) * length * inner + (i % inner);
      let best = 0;
      for (let k = 1; k < length; k++) {
        if (exceeds(x!.data[start + k * inner]!, x!.data[start + best * inner]!)) best = k;
      }
      return best;
    });
    return [ndarray(argmaxOp.infer([x!], params)[0]!.shape, values, 'i32')];
  },
  kernels: {
    cpu(run, { inputs: [x], outputs: [y], params }) {
      argmaxMiddleAxis(run, aroundAxis(x!.shape, params.axis), x!, y!);
    },
    webgpu(run, { inputs: [x], outputs: [y], params }) {
      const { outer, length, inner } = aroundAxis(x!.shape, params.axis);
      const count = outer * inner;
      const isForced = run.rowVariant !== undefined;
      if (inner === 1 && (isForced || prefersRows(run.capabilities, length))) {
        runRowWork(run, {
          ...{ table: wholeRows, rows: count, length, buffers: [x!, y!] },
          kernel: (variant) => rowKernel(variant, x!.dtype),
          uniforms: [count, length],
        });
      } else {
        const grid = invocationGrid(count);
        run.dispatch(columnKernel(x!.dtype), [x!, y!], [count, length, inner], grid);
      }
    },
  },
  sample(random) {
    const shape = random.pick([
      () => random.shape(random.integer(1, 4), 9),
      () => [random.integer(1, 70), random.length(257)],
      () => [65536 + random.integer(0, 9), 2],
    ])();
    // Few distinct values, so that ties occur
    const x = random.pick([
      () => random.integers(shape, -9, 9, 'i32'),
      () => sampleFloats(random, shape),
    ])();
    const axis = random.integer(0, shape.length - 1);
    return { inputs: [x], params: { axis, keepDims: random.uniform() < 0.5 } };
  },
};

const exceeds = (a: number, b: number): boolean => a > b || (Number.isNaN(a) && !Number.isNaN(b));

/** Zeros of both signs, and some NaN or none. */
function sampleFloats(random: SampleRandom, shape: Shape): NdArray {
  const rate = random.pick([0, 0.03, 0.3]);
  return ndarrayOf(shape, () =>
    random.uniform() < rate ? NaN : random.pick([1, -1]) * random.integer(0, 9),
  );
}

/** What holds an element, and its key, in a kernel. */
const word = (dtype: DType) => (dtype === 'u32' ? 'u32' : 'i32');

/**
 * WGSL of `key`, by which elements are compared: of floats their bits, for what comparisons make of NaN is left to the
 * adapter. Zeros of either sign have one key, and NaN has the largest.
 */
const elementKey = (dtype: DType): string =>
  dtype === 'f32'
    ? `
fn key(bits: i32) -> i32 {
  let size = bits & 0x7fffffff;
  return select(select(size, -size, bits < 0), 0x7fffffff, size > 0x7f800000);
}`
    : `
fn key(element: ${word(dtype)}) -> ${word(dtype)} { return element; }`;

// The largest value first, then the smallest index that holds it.
const rowKernel = memoizeByVariant((variant, dtype: DType) => {
  const step = `${variant.lanes}u`;
  return kernel({
    name: 'argmax-rows',
    enable: enableSubgroups(variant),
    bindings: { x: `read ${word(dtype)}`, y: 'write i32' },
    uniforms: { rows: 'u32', length: 'u32' },
    code: `${elementKey(dtype)}${rowFunctions(variant, ['max'], word(dtype))}${rowFunctions(variant, ['min'], 'u32')}${rowMain(
      variant,
      `if (row >= u.rows) { return; }
  let start = row * u.length;
  var largest = key(x[start]);
  for (var i = lane; i < u.length; i += ${step}) { largest = max(largest, key(x[start + i])); }
  let most = row_max(largest, local);
  var first = u.length;
  for (var i = lane; i < u.length; i += ${step}) { first = min(first, select(u.length, i, key(x[start + i]) == most)); }
  let index = row_min(first, local);
  if (lane == 0u) { y[row] = i32(index); }`,
    )}`,
  });
});

const columnKernel = memoize((dtype: DType) =>
  kernel({
    name: 'argmax-columns',
    bindings: { x: `read ${word(dtype)}`, y: 'write i32' },
    uniforms: { count: 'u32', length: 'u32', inner: 'u32' },
    code: `${elementKey(dtype)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (i >= u.count) { return; }
  let start = (i / u.inner) * u.length * u.inner + i % u.inner;
  var most = key(x[start]);
  var index = 0u;
  for (var k = 1u; k < u.length; k++) {
    let value = key(x[start + k * u.inner]);
    if (value > most) { most = value; index = k; }
  }
  y[i] = i32(index);
}`,
  }),
);

/**
 * Index (i32) of the largest element along one axis, the last by default; the first one among equals. NaN
 * counts as the largest, as in NumPy and PyTorch.
 * @throws ShapeError for an axis outside the tensor, or an empty one
 */
export function argmax(
  x: Tensor,
  { axis = -1, keepDims = false }: { axis?: number; keepDims?: boolean } = {},
): Tensor {
  return apply1(argmaxOp, [x], { axis: normalizeAxis('argmax', axis, x.rank), keepDims });
}
