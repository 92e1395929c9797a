import { layerNorm, rmsNorm, type Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';

/** (x − mean) / √(variance + ε) · scale + shift over the last axis. */
export class LayerNorm extends Module {
  readonly scale: Tensor;
  readonly shift: Tensor;
  readonly #epsilon: number;

  constructor(init: Init, width: number, { epsilon = 1e-5 }: { epsilon?: number } = {}) {
    super();
    this.scale = init.ones([width]);
    this.shift = init.zeros([width]);
    this.#epsilon = epsilon;
  }

  /** @param x [..., width] */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.scale, this.shift, { epsilon: this.#epsilon });
  }
}

/** x / √(mean x² + ε) · scale over the last axis (Zhang & Sennrich 2019). */
export class RmsNorm extends Module {
  readonly scale: Tensor;
  readonly #epsilon: number;

  constructor(init: Init, width: number, { epsilon = 1e-5 }: { epsilon?: number } = {}) {
    super();
    this.scale = init.ones([width]);
    this.#epsilon = epsilon;
  }

  /** @param x [..., width] */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.scale, { epsilon: this.#epsilon });
  }
}
