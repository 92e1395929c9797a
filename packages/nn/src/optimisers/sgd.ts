import { sgdUpdate, type Tensor } from '@farmer/tensor';
import { Optimiser, type OptimiserOptions, type UpdatePart } from './optimiser.ts';

export interface SgdOptions extends OptimiserOptions {
  /** Default: 0. */
  readonly momentum?: number;
}

/** Stochastic gradient descent: v ← momentum · v + gradient + weightDecay · p; p ← p − rate · v. */
export class Sgd extends Optimiser {
  readonly #momentum: number;

  constructor(parameters: ReadonlyMap<string, Tensor>, options: SgdOptions = {}) {
    const { momentum = 0 } = options;
    if (!(momentum >= 0 && momentum < 1)) {
      throw new RangeError(`Sgd: momentum ${momentum} is not in [0, 1)`);
    }
    super(parameters, momentum === 0 ? [] : ['velocity'], options);
    this.#momentum = momentum;
  }

  override setStep(learningRate: number): void {
    this.writeScalars(learningRate, 0, 0);
  }

  protected override apply(part: UpdatePart, clip: Tensor): void {
    const { parameters, gradients, weightDecay, arenas } = part;
    const [velocities] = arenas;
    sgdUpdate(
      { parameters, gradients, velocities, scalars: this.scalars, clip },
      { momentum: this.#momentum, weightDecay },
    );
  }
}
