import { defaultDevice } from '../device.ts';
import { randomCategorical, randomNormal, randomUniform } from '../ops/random.ts';
import { persist } from '../scope.ts';
import type { Shape } from '../shape.ts';
import { tensor, type Tensor } from '../tensor.ts';
import { philoxWords, words64, type Words2 } from './philox.ts';

/** Draws random tensors from a state on the device; each draw has its own call number. */
export class RandomSource {
  /** u32 [4] on the device: key low, key high, step low, step high. */
  readonly state: Tensor;
  #calls = 0;

  /** @param state u32 [4]; a captured step that draws from a rewritten state draws new numbers at each replay */
  constructor(state: Tensor) {
    this.state = state;
  }

  /** Uniforms in [low, high). */
  uniform(shape: Shape, low = 0, high = 1): Tensor {
    return randomUniform(this.state, { shape, call: this.nextCall(), low, high });
  }

  /** Independent normals. */
  normal(shape: Shape, mean = 0, std = 1): Tensor {
    return randomNormal(this.state, { shape, call: this.nextCall(), mean, std });
  }

  /** One draw from softmax(logits) for each row: f32 [..., classes] → i32 [...]. */
  categorical(logits: Tensor): Tensor {
    return randomCategorical(this.state, logits, { call: this.nextCall() });
  }

  protected nextCall(): number {
    return this.#calls++;
  }

  protected restartCalls(): void {
    this.#calls = 0;
  }
}

/**
 * Random tensors on a device. Every number is a function of (seed, step, number of the call within the step, position),
 * so that a captured step draws new numbers when only `setStep` is called between its replays, and a resumed run
 * draws what an uninterrupted one would.
 */
export class RandomStream extends RandomSource {
  readonly #key: Words2;
  #step: Words2 = [0, 0];

  /** @param seed a whole number; the bigint of up to 64 bits, or a safe integer */
  constructor(seed: number | bigint, device = defaultDevice()) {
    const key = words64('RandomStream: seed', seed);
    super(persist(tensor([...key, 0, 0], [4], 'u32', device)));
    this.#key = key;
  }

  /** Goes to the start of a step: its first draw has call number 0 again. */
  setStep(step: number | bigint): void {
    this.restartCalls();
    this.#step = words64('RandomStream: step', step);
    this.state.write(Uint32Array.of(...this.#key, ...this.#step));
  }

  /**
   * States of `count` streams that are independent of each other and of this one, with keys drawn from it: a row each,
   * u32 [count, 4]. A captured step that is to draw new numbers at each replay takes the next row.
   */
  split(count: number): Tensor {
    const call = this.nextCall();
    const words = philoxWords({ key: this.#key, step: this.#step, call }, 4 * count);
    const states = words.map((word, i) => (i % 4 < 2 ? word : 0)); // a key, and step 0
    return tensor(states, [count, 4], 'u32', this.state.device);
  }

  dispose(): void {
    this.state.dispose();
  }
}
