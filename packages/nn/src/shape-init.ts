import {
  empty,
  persist,
  withMemoryTag,
  type Device,
  type Shape,
  type Tensor,
} from '@farmer/tensor';
import { Init } from './init.ts';

/** Parameters of the right shapes and no values, which costs no time: with a `ShapeDevice`, no memory either. */
export class ShapeInit extends Init {
  constructor(device: Device) {
    super(0, device);
  }

  override normal(shape: Shape): Tensor {
    return withMemoryTag('parameters', () => persist(empty(shape, 'f32', this.device)));
  }

  override uniform(shape: Shape): Tensor {
    return this.normal(shape);
  }

  override zeros(shape: Shape): Tensor {
    return this.normal(shape);
  }

  override ones(shape: Shape): Tensor {
    return this.normal(shape);
  }

  override normals(count: number): Float32Array {
    return new Float32Array(count);
  }
}
