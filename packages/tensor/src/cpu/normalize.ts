import { bytesPerElement } from '../dtype.ts';
import type { Norm } from '../ops/normalize.ts';
import type { Tensor } from '../tensor.ts';
import type { CpuKernelRun } from './kernel.ts';
import { rsqrt } from './math.ts';
import { reduceMiddleAxis } from './reduce.ts';
import { runRowKernel, type Row, type RowElements, type RowKernel } from './rows.ts';
import { F32x4 } from './wasm/index.ts';

const uniforms = ['inverseLength', 'epsilon'] as const;

/** How to normalise an element of the row: x̂ = (x - mean) · factor, factor = 1/√(variance + ε). */
function statistics(row: Row, norm: Norm) {
  const { f, fold, uniform } = row;
  const scale = uniform('inverseLength');
  const average = (value: (at: RowElements) => F32x4): F32x4 =>
    f.let(fold('sum', value).mul(scale));
  const mean = norm === 'layer' ? average((at) => at.load('x')) : F32x4.of(0);
  const centered = (at: RowElements): F32x4 => f.let(at.load('x').sub(mean));
  const variance = average((at) => {
    const deviation = centered(at);
    return deviation.mul(deviation);
  });
  const factor = f.let(rsqrt(f, variance.add(uniform('epsilon'))));
  return { average, factor, normalized: (at: RowElements) => centered(at).mul(factor) };
}

/** y = x̂ · scale (+ shift) */
const forward = (norm: Norm): RowKernel => ({
  name: `${norm}-norm`,
  bindings: norm === 'layer' ? ['x', 'scale', 'shift', 'y'] : ['x', 'scale', 'y'],
  uniforms,
  body: (row) => {
    const { normalized } = statistics(row, norm);
    row.each((at) => {
      const scaled = normalized(at).mul(at.load('scale'));
      at.store('y', norm === 'layer' ? scaled.add(at.load('shift')) : scaled);
    });
  },
});

/**
 * With h = g · scale and means over the row, ∂L/∂x = factor (h - mean h - x̂ mean(h x̂)), where RMS
 * norm has no `mean h`; plus the sum of x's other gradients. Also writes g x̂, which sums to ∂L/∂scale.
 */
const gradient = (norm: Norm, hasSum: boolean): RowKernel => ({
  name: `${norm}-norm-gradient${hasSum ? '-plus-sum' : ''}`,
  bindings: ['x', 'g', 'scale', 'dx', 'gx', ...(hasSum ? ['sum'] : [])],
  uniforms,
  body: (row) => {
    const { f, each } = row;
    const { average, factor, normalized } = statistics(row, norm);
    const h = (at: RowElements): F32x4 => at.load('g').mul(at.load('scale'));
    const meanH = norm === 'layer' ? average(h) : F32x4.of(0);
    const meanHX = average((at) => h(at).mul(normalized(at)));
    each((at) => {
      const xHat = f.let(normalized(at));
      const dx = factor.mul(h(at).sub(meanH).sub(xHat.mul(meanHX)));
      at.store('dx', hasSum ? dx.add(at.load('sum')) : dx);
      at.store('gx', at.load('g').mul(xHat));
    });
  },
});

/** Normalises the rows of inputs [x, scale] or [x, scale, shift] into the output. */
export function normalizeRows(
  run: CpuKernelRun,
  norm: Norm,
  [count, length]: readonly [number, number],
  [x, ...parameters]: readonly Tensor[],
  output: Tensor,
  epsilon: number,
): void {
  const shared = parameters.map((parameter) => [parameter, 0] as const);
  const blocks = [[x!, length], ...shared, [output, length]] as const;
  runRowKernel(run, forward(norm), [count, length], blocks, [1 / length, epsilon]);
}

/**
 * Gradients of x and of the parameters (scale, and shift for layer norm).
 * @param inputs x, scale, g, and perhaps the sum of other gradients of x, which is added to its own
 */
export function normalizeRowsGradient(
  run: CpuKernelRun,
  norm: Norm,
  [count, length]: readonly [number, number],
  inputs: readonly Tensor[],
  [dx, dScale, dShift]: readonly Tensor[],
  epsilon: number,
): void {
  const [x, scale, g, ...sum] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const products = run.temporary(count * length * bytesPerElement);
  const blocks = [
    [x, length],
    [g, length],
    [scale, 0],
    [dx!, length],
    [products, length],
    ...sum.map((tensor) => [tensor, length] as const),
  ] as const;
  runRowKernel(run, gradient(norm, sum.length > 0), [count, length], blocks, [1 / length, epsilon]);
  const rows = { outer: 1, length: count, inner: length };
  reduceMiddleAxis(run, 'sum', 'f32', rows, products, dScale!);
  if (dShift) reduceMiddleAxis(run, 'sum', 'f32', rows, g, dShift);
}
