import { exp, log } from './math.ts';
import type { Row, RowKernel } from './rows.ts';
import { exponentialSum } from './softmax.ts';
import { F32, type F32x4, type I32 } from './wasm/index.ts';

/** Runs `body` with the offset of the row's label in bytes, if the label is a class. */
function ifValid({ f, pointer, length }: Row, body: (offset: I32) => void): void {
  const label = f.let(f.i32(pointer('labels')));
  f.if(label.lt(length), () => body(f.let(label.shl(2))));
}

/** (max x - x[label]) + log Σ exp(x - max x); NaN for a label that is no class. */
export const crossEntropyKernel: RowKernel = {
  name: 'crossEntropy',
  bindings: ['x', 'labels', 'loss'],
  body: (row) => {
    const { f, pointer } = row;
    const { shift, whole } = exponentialSum(row);
    const logWhole = log(f, whole);
    f.store(pointer('loss'), F32.of(NaN));
    ifValid(row, (offset) => {
      const own = f.f32(pointer('x').add(offset));
      f.store(pointer('loss'), shift.lane(0).sub(own).add(logWhole.lane(0)));
    });
  },
};

/** ∂L/∂x = g (softmax(x) - onehot(label)) */
export const crossEntropyGradientKernel: RowKernel = {
  name: 'crossEntropyGradient',
  bindings: ['x', 'labels', 'g', 'dx'],
  body: (row) => {
    const { f, each, pointer } = row;
    const { shift, whole } = exponentialSum(row);
    const g = f.let(f.splat(pointer('g')));
    const probability = (x: F32x4): F32x4 => exp(f, f.let(x.sub(shift))).div(whole);
    each((at) => at.store('dx', probability(at.load('x')).mul(g)));
    ifValid(row, (offset) => {
      const own = probability(f.let(f.splat(pointer('x').add(offset))));
      f.store(pointer('dx').add(offset), own.sub(1).mul(g).lane(0));
    });
  },
};
