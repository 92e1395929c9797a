import {
  clipScale,
  globalNorm,
  map,
  persist,
  scope,
  ShapeError,
  slice,
  zeros,
  type Tensor,
} from '@farmer/tensor';
import type { LoadedTensors, StateDict } from '../state-dict.ts';
import { Moments } from './moments.ts';

export interface OptimiserOptions {
  /** Default: 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default: those of rank 2 and more, so neither biases nor norms. */
  readonly decay?: (name: string, parameter: Tensor) => boolean;
  /** Scale the gradients down to this norm, taken over all of them, when theirs is greater. Default: never. */
  readonly clipNorm?: number;
}

/** What a step did, on the device: reading it waits. */
export interface UpdateReport {
  /** []: the norm of all gradients before clipping. */
  readonly norm: Tensor;
  /** [1]: 1, or 0 where the step was skipped because the norm or the loss is not finite. */
  readonly finite: Tensor;
}

/** Some of the parameters, and what belongs to them. */
export interface UpdatePart {
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly weightDecay: readonly number[];
  /** An arena for each kind of moments. */
  readonly arenas: readonly Tensor[];
}

/**
 * Changes parameters in place on the device. Learning rate and step number come from `setStep`,
 * so that a captured `update` can be replayed.
 */
export abstract class Optimiser {
  #isStepSet = false;
  /** [4], rewritten before each step: the learning rate, two numbers of the subclass's (`writeScalars`), and 0. */
  protected readonly scalars: Tensor;
  readonly #parameters: readonly Tensor[];
  /** One for each parameter. */
  readonly #weightDecay: readonly number[];
  readonly #moments: Moments;
  readonly #clipNorm: number;

  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    momentKinds: readonly string[],
    options: OptimiserOptions,
  ) {
    const { weightDecay = 0, decay = (_, { rank }) => rank >= 2, clipNorm = Infinity } = options;
    if (parameters.size === 0) throw new Error('an optimiser needs at least one parameter');
    if (!(clipNorm > 0)) throw new RangeError(`clipNorm ${clipNorm} is not greater than 0`);
    this.#parameters = [...parameters.values()];
    this.#weightDecay = [...parameters].map((entry) => (decay(...entry) ? weightDecay : 0));
    this.#moments = new Moments(parameters, momentKinds);
    this.scalars = persist(zeros([4], 'f32', this.#parameters[0]!.device));
    this.#clipNorm = clipNorm;
  }

  /**
   * Sets what the next `update` uses, from the host.
   * @param step counted from 1
   * @throws RangeError for a learning rate that is negative or not finite
   */
  abstract setStep(learningRate: number, step: number): void;

  /** Writes the learning rate and what else a step uses. */
  protected writeScalars(learningRate: number, ...others: readonly [number, number]): void {
    if (!(learningRate >= 0 && learningRate < Infinity)) {
      throw new RangeError(`learning rate ${learningRate} is not a number from 0 up`);
    }
    this.scalars.write([learningRate, ...others, 0]);
    this.#isStepSet = true;
  }

  /** @param clip [2], from `clipScale` */
  protected abstract apply(part: UpdatePart, clip: Tensor): void;

  /**
   * One step. Leaves everything as it is when the gradients' norm, or the loss if given, is not finite.
   * @param gradients one for each parameter
   * @param loss one element
   * @throws Error before the first `setStep`, ShapeError when a gradient does not fit its parameter
   */
  update(gradients: readonly Tensor[], loss?: Tensor): UpdateReport {
    if (!this.#isStepSet) throw new Error('update: call setStep(learningRate, step) first');
    if (gradients.length !== this.#parameters.length) {
      throw new ShapeError(
        `update: got ${gradients.length} gradients for ${this.#parameters.length} parameters`,
      );
    }
    return scope(() => {
      const norm = globalNorm(gradients);
      let clip = clipScale(norm, this.#clipNorm);
      if (loss) clip = map('clip * usable', { clip, usable: clipScale(loss, Infinity) });
      for (const { first, end, arenas } of this.#moments.parts) {
        const own = <T>(list: readonly T[]): readonly T[] => list.slice(first, end);
        const [parameters, weightDecay] = [own(this.#parameters), own(this.#weightDecay)];
        this.apply({ parameters, gradients: own(gradients), weightDecay, arenas }, clip);
      }
      return { norm, finite: slice(clip, { axis: 0, start: 1, end: 2 }) };
    });
  }

  /** The state beside the parameters; with them and the step number a run continues exactly. */
  stateDict(): Promise<StateDict> {
    return this.#moments.stateDict();
  }

  /**
   * @param source where the values come from, for error messages
   * @throws StateDictError naming every missing, unexpected or misshapen tensor; nothing is changed then
   */
  loadStateDict(tensors: LoadedTensors, source: string): void {
    this.#moments.loadStateDict(tensors, source);
  }

  /** Frees the state, not the parameters. */
  dispose(): void {
    this.#moments.dispose();
    this.scalars.dispose();
  }
}
