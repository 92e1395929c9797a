import { apply1 } from '../apply.ts';
import type { CpuKernel } from '../cpu/kernel.ts';
import { runRowKernel, type RowKernel } from '../cpu/rows.ts';
import {
  logSoftmaxGradientKernel,
  logSoftmaxKernel,
  softmaxGradientKernel,
  softmaxKernel,
} from '../cpu/softmax.ts';
import type { Op } from '../op.ts';
import { mapRows, referenceLogSumExp, rowsOf } from '../reference-rows.ts';
import type { NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, normalizeAxis, sameShape, ShapeError, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { WebGpuKernel } from '../webgpu/kernel.ts';
import { rowKernels, runRows, type RowKernelFactory } from '../webgpu/rows/row-kernel.ts';
import { map } from './map.ts';
import { logSumExp } from './reduce.ts';

type NoParams = Record<never, never>;

function rowwise(kernels: RowKernelFactory): WebGpuKernel<NoParams> {
  return (run, { inputs, outputs }) =>
    runRows(run, kernels, rowsOf(outputs[0]!.shape), [...inputs, ...outputs]);
}

function rowwiseOnCpu(kernel: RowKernel): CpuKernel<NoParams> {
  return (run, { inputs, outputs }) => {
    const rows = rowsOf(outputs[0]!.shape);
    const blocks = [...inputs, ...outputs].map((tensor) => [tensor, rows[1]] as const);
    runRowKernel(run, kernel, rows, blocks);
  };
}

function sampleRows(random: SampleRandom): NdArray {
  const shape = random.pick([
    () => random.shape(random.integer(1, 4), 9),
    () => random.shape(random.integer(1, 4), 9),
    () => random.shape(random.integer(1, 3), 33),
    () => [random.integer(1, 70), random.length(257)],
    () => [2, random.integer(2000, 5000)],
    () => [65536 + random.integer(0, 9), 3],
  ])();
  const scale = random.pick([1, 1, 30]);
  return random.normals(shape, scale);
}

/**
 * Online softmax (Milakov & Gimelshein 2018): one pass for each component's maximum so far and the sum of exponentials
 * relative to it, one to write. Of the old sum and the new term one has the factor 1, so an element costs one exp.
 */
const forward = (name: string, result: string) =>
  rowKernels({
    name,
    reductions: ['max', 'sum'],
    bindings: { x: 'read row', y: 'write row' },
    body: ({ T, each, total }) => `
  var top = ${T}(-3.4e38);
  var sum = ${T}(0);
  ${each(`let raise = x[at] - top;
    let far = abs(raise) > ${T}(100);
    let e = select(exp(select(-abs(raise), ${T}(0), far)), ${T}(0), far);
    sum = select(sum + e, sum * e + 1, raise > ${T}(0));
    top = max(top, x[at]);`)}
  let shift = ${total('max', 'top')};
  sum *= exp(max(top - shift, ${T}(-100)));
  let whole = ${total('sum', 'sum')};
  ${each(`y[at] = ${result.replaceAll('T(', `${T}(`)};`)}`,
  });

/** p = exp(x) / Σ exp(x) over the last axis. */
export const softmaxOp: Op<NoParams> = {
  name: 'softmax',
  infer: ([x]) => [checkRows('softmax', x!)],
  reference: ([x]) => [
    mapRows([x!], (row) => {
      const lse = referenceLogSumExp(row);
      return row.map((value) => Math.exp(value - lse));
    }),
  ],
  kernels: {
    webgpu: rowwise(forward('softmax', 'exp(x[at] - T(shift)) / whole')),
    cpu: rowwiseOnCpu(softmaxKernel),
  },
  vjp: ({ outputs: [y], gradients: [g] }) => [g ? apply1(softmaxGradientOp, [y!, g], {}) : null],
  sample: (random) => ({ inputs: [sampleRows(random)], params: {} }),
};

/** x − log Σ exp(x) over the last axis. */
export const logSoftmaxOp: Op<NoParams> = {
  name: 'logSoftmax',
  infer: ([x]) => [checkRows('logSoftmax', x!)],
  reference: ([x]) => [
    mapRows([x!], (row) => {
      const lse = referenceLogSumExp(row);
      return row.map((value) => value - lse);
    }),
  ],
  kernels: {
    webgpu: rowwise(forward('log-softmax', '(x[at] - T(shift)) - T(log(whole))')),
    cpu: rowwiseOnCpu(logSoftmaxKernel),
  },
  vjp: ({ outputs: [y], gradients: [g] }) => [g ? apply1(logSoftmaxGradientOp, [y!, g], {}) : null],
  sample: (random) => ({ inputs: [sampleRows(random)], params: {} }),
};

const backward = (name: string, term: string, write: string) =>
  rowKernels({
    name,
    reductions: ['sum'],
    bindings: { y: 'read row', g: 'read row', dx: 'write row' },
    body: ({ T, each, total }) => `
  var sum = ${T}(0);
  ${each(`sum += ${term};`)}
  let whole = ${total('sum', 'sum')};
  ${each(`dx[at] = ${write};`)}`,
  });

/** From p = softmax(x) and g = ∂L/∂p: ∂L/∂x = p (g − Σ p g). */
export const softmaxGradientOp: Op<NoParams> = {
  name: 'softmaxGradient',
  infer: ([y, g]) => [checkSame('softmaxGradient', y!, g!)],
  reference: ([y, g]) => [
    mapRows([y!, g!], (p, gradient) => {
      const mean = p.reduce((sum, value, i) => sum + value * gradient[i]!, 0);
      return p.map((value, i) => value * (gradient[i]! - mean));
    }),
  ],
  kernels: {
    webgpu: rowwise(backward('softmax-gradient', 'y[at] * g[at]', 'y[at] * (g[at] - whole)')),
    cpu: rowwiseOnCpu(softmaxGradientKernel),
  },
  sample: (random) => sampleGradient(random, (value) => Math.exp(value)),
};

/** From y = log p and g = ∂L/∂y: ∂L/∂x = g − p Σ g. */
export const logSoftmaxGradientOp: Op<NoParams> = {
  name: 'logSoftmaxGradient',
  infer: ([y, g]) => [checkSame('logSoftmaxGradient', y!, g!)],
  reference: ([y, g]) => [
    mapRows([y!, g!], (logP, gradient) => {
      const whole = gradient.reduce((sum, value) => sum + value, 0);
      return gradient.map((value, i) => value - Math.exp(logP[i]!) * whole);
    }),
  ],
  kernels: {
    webgpu: rowwise(backward('log-softmax-gradient', 'g[at]', 'g[at] - exp(y[at]) * whole')),
    cpu: rowwiseOnCpu(logSoftmaxGradientKernel),
  },
  sample: (random) => sampleGradient(random, (value) => value),
};

function sampleGradient(random: SampleRandom, of: (logP: number) => number) {
  const x = sampleRows(random);
  const y = logSoftmaxOp.reference([x], {})[0]!;
  const stored = { ...y, data: y.data.map((value) => Math.fround(of(value))) };
  // Σ g over a row grows with the root of its length, and with it what exp's error, a few 1e-6 on SwiftShader, does.
  const absolute = 1e-5 + 5e-6 * Math.sqrt(x.shape.at(-1)!);
  return { inputs: [stored, random.normals(y.shape)], params: {}, tolerance: { absolute } };
}

function checkRows(op: string, x: { shape: Shape; dtype: string }) {
  if (x.dtype !== 'f32' || x.shape.length === 0) {
    throw new ShapeError(
      `${op}: needs an f32 tensor with at least one axis, got ${x.dtype} ${formatShape(x.shape)}`,
    );
  }
  return { shape: x.shape, dtype: 'f32' as const };
}

function checkSame(op: string, y: { shape: Shape; dtype: string }, g: { shape: Shape }) {
  if (!sameShape(y.shape, g.shape)) {
    throw new ShapeError(
      `${op}: result ${formatShape(y.shape)} and gradient ${formatShape(g.shape)} differ in shape`,
    );
  }
  return checkRows(op, y);
}

/**
 * exp(x) / Σ exp(x) over one axis, the last by default. A row of −∞ alone gives NaN.
 * @throws ShapeError for an axis outside the tensor
 */
export function softmax(x: Tensor, { axis = -1 }: { axis?: number } = {}): Tensor {
  const at = normalizeAxis('softmax', axis, x.rank);
  if (at === x.rank - 1) return apply1(softmaxOp, [x], {});
  return map('exp(x - lse)', { x, lse: logSumExp(x, { axes: [at], keepDims: true }) });
}

/**
 * x − log Σ exp(x) over one axis, the last by default.
 * @throws ShapeError for an axis outside the tensor
 */
export function logSoftmax(x: Tensor, { axis = -1 }: { axis?: number } = {}): Tensor {
  const at = normalizeAxis('logSoftmax', axis, x.rank);
  if (at === x.rank - 1) return apply1(logSoftmaxOp, [x], {});
  return map('x - lse', { x, lse: logSumExp(x, { axes: [at], keepDims: true }) });
}
