import type { Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';
import { Linear } from './linear.ts';

/** W₂ gelu(W₁ x + b₁) + b₂, with the tanh approximation of GELU. */
export class Mlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor(init: Init, width: number, hidden: number) {
    super();
    this.up = new Linear(init, width, hidden);
    this.down = new Linear(init, hidden, width);
  }

  /**
   * @param x [..., width]
   * @param options.residual [..., width], added to the result
   */
  forward(x: Tensor, options: { residual?: Tensor } = {}): Tensor {
    return this.down.forward(this.up.forward(x, { activation: 'geluTanh' }), options);
  }
}
