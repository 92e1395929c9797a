import {
  defaultDevice,
  persist,
  philoxNormals,
  philoxUniforms,
  sizeOf,
  tensor,
  withMemoryTag,
  type Device,
  type Shape,
  type Tensor,
} from '@farmer/tensor';

/**
 * Draws a model's initial parameters. The n-th random draw depends on the seed and n alone,
 * so that a model built in the same order has the same values on every device. It is call n of step 0 of
 * `philoxNormals` or `philoxUniforms`: what else is drawn from the same seed is independent of it under other steps.
 */
export class Init {
  readonly seed: number;
  readonly device: Device;
  #draws = 0;

  constructor(seed: number, device: Device = defaultDevice()) {
    this.seed = seed;
    this.device = device;
  }

  /** A parameter of independent N(0, std²) values. */
  normal(shape: Shape, std: number): Tensor {
    return this.#parameter(
      shape,
      this.normals(sizeOf(shape)).map((value) => value * std),
    );
  }

  /** A parameter of independent uniform values in ±bound. */
  uniform(shape: Shape, bound: number): Tensor {
    const values = philoxUniforms(this.seed, 0, this.#draws++, sizeOf(shape));
    return this.#parameter(
      shape,
      values.map((value) => (2 * value - 1) * bound),
    );
  }

  /** A parameter of zeros. */
  zeros(shape: Shape): Tensor {
    return this.#parameter(shape, new Float32Array(sizeOf(shape)));
  }

  /** A parameter of ones. */
  ones(shape: Shape): Tensor {
    return this.#parameter(shape, new Float32Array(sizeOf(shape)).fill(1));
  }

  /** Standard normal values on the host, for parameters of a form of their own. */
  normals(count: number): Float32Array {
    return philoxNormals(this.seed, 0, this.#draws++, count);
  }

  #parameter(shape: Shape, values: Float32Array): Tensor {
    return withMemoryTag('parameters', () => persist(tensor(values, shape, 'f32', this.device)));
  }
}
