import { currentRecorder, map, matmul, type Tensor } from '@farmer/tensor';
import type { Init } from '../init.ts';
import { Module } from '../module.ts';

export interface LinearOptions {
  /** Default: true. */
  readonly bias?: boolean;
  /** Standard deviation of normal weights. Default: uniform weights up to ±1/√inFeatures. */
  readonly std?: number;
  /** Start as the zero map, so that a residual branch starts as the identity. */
  readonly zero?: boolean;
}

export interface LinearForward {
  /** A function of one argument that `map` knows, such as 'geluTanh'. */
  readonly activation?: string;
  /** [..., outFeatures], added after the activation. */
  readonly residual?: Tensor;
}

/** y = x W + b, with W [inFeatures, outFeatures]. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;

  constructor(init: Init, inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias = true, std, zero = false } = options;
    const shape = [inFeatures, outFeatures];
    if (zero) this.weight = init.zeros(shape);
    else if (std !== undefined) this.weight = init.normal(shape, std);
    else this.weight = init.uniform(shape, 1 / Math.sqrt(inFeatures));
    this.bias = bias ? init.zeros([outFeatures]) : undefined;
  }

  /**
   * activation(x W + b) + residual.
   * @param x [..., inFeatures]
   * @returns [..., outFeatures]
   */
  forward(x: Tensor, { activation, residual }: LinearForward = {}): Tensor {
    // An activation's derivative needs x W + b itself, so that only unrecorded passes can fuse it.
    if (activation && currentRecorder()) {
      const linear = this.#product(x, {});
      return residual
        ? map(`${activation}(linear) + residual`, { linear, residual })
        : map(`${activation}(linear)`, { linear });
    }
    return this.#product(x, { activation, residual });
  }

  #product(x: Tensor, { activation, residual }: LinearForward): Tensor {
    const inputs: Record<string, Tensor> = {};
    let epilogue = 'acc';
    if (this.bias) {
      inputs.bias = this.bias;
      epilogue = 'acc + bias';
    }
    if (activation) epilogue = `${activation}(${epilogue})`;
    if (residual) {
      inputs.residual = residual;
      epilogue += ' + residual';
    }
    return epilogue === 'acc'
      ? matmul(x, this.weight)
      : matmul(x, this.weight, { epilogue, inputs });
  }
}
