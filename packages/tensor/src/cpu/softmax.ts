import { exp, log } from './math.ts';
import type { Row, RowKernel } from './rows.ts';
import { F32x4 } from './wasm/index.ts';

/** max x, and Σ exp(x - max x). */
export function exponentialSum({ f, fold }: Row) {
  const shift = fold('max', (at) => at.load('x'));
  const whole = fold('sum', (at) => exp(f, f.let(at.load('x').sub(shift))));
  return { shift, whole };
}

/** p = exp(x - max x) / Σ exp(x - max x) */
export const softmaxKernel: RowKernel = {
  name: 'softmax',
  bindings: ['x', 'y'],
  body: (row) => {
    const { f, fold, each } = row;
    const shift = fold('max', (at) => at.load('x'));
    const whole = fold('sum', (at) => {
      const power = f.let(exp(f, f.let(at.load('x').sub(shift))));
      at.store('y', power);
      return power;
    });
    const scale = f.let(F32x4.of(1).div(whole));
    each((at) => at.store('y', at.load('y').mul(scale)));
  },
};

/** y = (x - max x) - log Σ exp(x - max x) */
export const logSoftmaxKernel: RowKernel = {
  name: 'logSoftmax',
  bindings: ['x', 'y'],
  body: (row) => {
    const { shift, whole } = exponentialSum(row);
    const logWhole = log(row.f, whole);
    row.each((at) => at.store('y', at.load('x').sub(shift).sub(logWhole)));
  },
};

/** ∂L/∂x = p (g - Σ p g) */
export const softmaxGradientKernel: RowKernel = {
  name: 'softmaxGradient',
  bindings: ['y', 'g', 'dx'],
  body: ({ fold, each }) => {
    const mean = fold('sum', (at) => at.load('y').mul(at.load('g')));
    each((at) => at.store('dx', at.load('y').mul(at.load('g').sub(mean))));
  },
};

/** ∂L/∂x = g - exp(y) Σ g */
export const logSoftmaxGradientKernel: RowKernel = {
  name: 'logSoftmaxGradient',
  bindings: ['y', 'g', 'dx'],
  body: ({ f, fold, each }) => {
    const whole = fold('sum', (at) => at.load('g'));
    each((at) => at.store('dx', at.load('g').sub(exp(f, at.load('y')).mul(whole))));
  },
};
