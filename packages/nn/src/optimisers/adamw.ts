import { adamwUpdate, type Tensor } from '@farmer/tensor';
import { Optimiser, type OptimiserOptions, type UpdatePart } from './optimiser.ts';

export interface AdamOptions {
  /** Decay rates of the two moments. Default: [0.9, 0.95]. */
  readonly betas?: readonly [number, number];
  /** Default: 1e-8. */
  readonly epsilon?: number;
  readonly clipNorm?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019):
 * p ← p − rate · (m̂ / (√v̂ + ε) + weightDecay · p).
 */
export class AdamW extends Optimiser {
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;

  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    options: AdamOptions & OptimiserOptions = {},
  ) {
    const { betas = [0.9, 0.95] } = options;
    if (!betas.every((beta) => beta >= 0 && beta < 1)) {
      throw new RangeError(`AdamW: betas ${betas.join(', ')} are not in [0, 1)`);
    }
    super(parameters, ['firstMoment', 'secondMoment'], options);
    this.#betas = betas;
    this.#epsilon = options.epsilon ?? 1e-8;
  }

  override setStep(learningRate: number, step: number): void {
    if (!(step >= 1)) throw new RangeError(`AdamW: step ${step} is not counted from 1`);
    const [beta1, beta2] = this.#betas;
    this.writeScalars(learningRate, 1 - beta1 ** step, 1 - beta2 ** step);
  }

  protected override apply(part: UpdatePart, clip: Tensor): void {
    const [beta1, beta2] = this.#betas;
    const { parameters, gradients, weightDecay, arenas } = part;
    const [firstMoments, secondMoments] = arenas as [Tensor, Tensor];
    adamwUpdate(
      { parameters, gradients, firstMoments, secondMoments, scalars: this.scalars, clip },
      { beta1, beta2, epsilon: this.#epsilon, weightDecay },
    );
  }
}

/** Adam (Kingma & Ba 2015), without weight decay. */
export class Adam extends AdamW {
  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamOptions = {}) {
    super(parameters, { ...options, weightDecay: 0 });
  }
}
