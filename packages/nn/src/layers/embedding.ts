import { embedding, type Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';

/** A table of one learned vector per index. */
export class Embedding extends Module {
  readonly weight: Tensor;

  /** @param options.std of the normal entries; default 0.02 */
  constructor(init: Init, count: number, width: number, { std = 0.02 }: { std?: number } = {}) {
    super();
    this.weight = init.normal([count, width], std);
  }

  /**
   * @param indices i32 [...], from 0 to count − 1; others give NaN
   * @returns [..., width]
   */
  forward(indices: Tensor): Tensor {
    return embedding(this.weight, indices);
  }
}
