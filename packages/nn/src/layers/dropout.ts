import { map, type RandomStream, type Tensor } from '@farmer/tensor';
import { Module } from '../module.ts';

/**
 * Zeroes each value with probability `rate` and scales the others by 1 / (1 − rate) (Srivastava et al. 2014).
 * Every call draws a new mask, so a `checkpoint`, which computes twice, must not contain one.
 */
export class Dropout extends Module {
  readonly rate: number;

  /** @throws RangeError unless 0 ≤ rate < 1 */
  constructor(rate: number) {
    super();
    if (!(rate >= 0 && rate < 1)) {
      throw new RangeError(`Dropout: rate ${rate} is not in [0, 1)`);
    }
    this.rate = rate;
  }

  /** @param random where masks come from; without it, as in evaluation, `x` comes back */
  forward(x: Tensor, random?: RandomStream): Tensor {
    if (!random || this.rate === 0) return x;
    const { rate } = this;
    return map('where(u < rate, 0, x / (1 - rate))', { x, u: random.uniform(x.shape), rate });
  }
}
