import { defaultDevice } from '../device.ts';
import { randomCategorical, randomNormal, randomUniform } from '../ops/random.ts';
import { persist } from '../scope.ts';
import type { Shape } from '../shape.ts';
import { tensor, type Tensor } from '../tensor.ts';
import { words64, type Words2 } from './philox.ts';

/**
 * Random tensors on a device. Every number is a function of (seed, step, number of the call within the step, position),
 * so that a captured step draws new numbers when only `setStep` is called between its replays, and a resumed run
 * draws what an uninterrupted one would.
 */
export class RandomStream {
  /** u32 [4] on the device: key low, key high, step low, step high. */
  readonly state: Tensor;
  readonly #key: Words2;
  #call = 0;

  /** @param seed a whole number; the bigint of up to 64 bits, or a safe integer */
  constructor(seed: number | bigint, device = defaultDevice()) {
    this.#key = words64('RandomStream: seed', seed);
    this.state = persist(tensor([...this.#key, 0, 0], [4], 'u32', device));
  }

  /** Goes to the start of a step: its first draw has call number 0 again. */
  setStep(step: number | bigint): void {
    this.#call = 0;
    const words = words64('RandomStream: step', step);
    this.state.write(Uint32Array.of(...this.#key, ...words));
  }

  /** Uniforms in [low, high). */
  uniform(shape: Shape, low = 0, high = 1): Tensor {
    return randomUniform(this.state, { shape, call: this.#call++, low, high });
  }

  normal(shape: Shape, mean = 0, std = 1): Tensor {
    return randomNormal(this.state, { shape, call: this.#call++, mean, std });
  }

  /** One draw from softmax(logits) for each row: f32 [..., classes] → i32 [...]. */
  categorical(logits: Tensor): Tensor {
    return randomCategorical(this.state, logits, { call: this.#call++ });
  }

  dispose(): void {
    this.state.dispose();
  }
}
