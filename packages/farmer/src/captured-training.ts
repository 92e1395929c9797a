import { valueAndGrad } from '@farmer/autograd';
import { AdamW, cosine, type Schedule } from '@farmer/nn';
import {
  addAssign,
  defaultDevice,
  map,
  persist,
  reshape,
  scope,
  stack,
  zeros,
  type Graph,
  type CompileProgress,
  type Tensor,
} from '@farmer/tensor';
import type { TrainingConfig } from './config.ts';

/** How parameters are optimised, whatever the loss. */
export type OptimisationConfig = Pick<
  TrainingConfig,
  'steps' | 'peakLearningRate' | 'finalLearningRate' | 'warmup' | 'betas' | 'weightDecay' | 'clip'
>;

/** Means over the steps since the last reading. */
export interface StepMetrics {
  /** Steps done. */
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Steps since the last reading that changed nothing, because loss or gradient was not finite. */
  readonly skipped: number;
}

export interface TrainingTask {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Writes what a step reads, from its number alone. */
  readonly prepare: (step: number) => void;
  /** The scalar loss of the data that `prepare` wrote. */
  readonly loss: () => Tensor;
}

/**
 * Optimises parameters by AdamW under a cosine schedule. The first step is captured and later steps replay it: one
 * submit each.
 */
export class CapturedTraining {
  readonly optimiser: AdamW;
  readonly #task: TrainingTask;
  readonly #parameters: readonly Tensor[];
  readonly #schedule: Schedule;
  /** Sums since the last reading: loss and gradient norm of finite steps, and how many these were. */
  readonly #totals: Tensor;
  #stepsRead = 0;
  #graph: Graph | undefined;
  #step = 0;

  constructor(config: OptimisationConfig, task: TrainingTask) {
    this.#task = task;
    this.#parameters = [...task.parameters.values()];
    this.optimiser = new AdamW(task.parameters, {
      betas: config.betas,
      weightDecay: config.weightDecay,
      clipNorm: config.clip,
    });
    this.#schedule = cosine({
      peak: config.peakLearningRate,
      final: config.peakLearningRate * config.finalLearningRate,
      warmup: config.warmup,
      total: config.steps,
    });
    this.#totals = persist(zeros([3]));
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Continues from a checkpoint: weights and optimiser state are loaded by the caller. */
  resumeAt(step: number): void {
    this.#step = step;
    this.#stepsRead = step;
  }

  /** Compiles the kernels of a step before the first one; see `Device.precompile`. */
  async precompile(onProgress?: CompileProgress): Promise<void> {
    if (this.#graph) return;
    this.#setStep();
    await defaultDevice().precompile(() => this.#computeStep(), onProgress);
  }

  /** Runs one optimisation step; the device may still be at work when it returns. */
  advance(): void {
    this.#task.prepare(this.#step);
    this.#setStep();
    if (this.#graph) this.#graph.replay();
    else this.#graph = defaultDevice().capture(() => this.#computeStep());
    defaultDevice().flush();
    this.#step++;
  }

  /**
   * Reads the means since the last call, as they are at this point of the device's queue. Later steps may be started
   * before the promise resolves.
   */
  async readMetrics(): Promise<StepMetrics> {
    const step = this.#step;
    const steps = step - this.#stepsRead;
    const reading = this.#totals.data();
    this.#totals.write([0, 0, 0]);
    this.#stepsRead = step;
    const [loss, norm, finite] = (await reading) as unknown as [number, number, number];
    return {
      ...{ step, loss: loss / finite, gradientNorm: norm / finite },
      learningRate: this.#schedule(step - 1),
      skipped: steps - finite,
    };
  }

  /** Frees what the training alone needs, and gives up all free memory of the device: what comes next needs other sizes. */
  dispose(): void {
    this.#graph?.dispose();
    this.#totals.dispose();
    this.optimiser.dispose();
    this.#totals.device.trim();
  }

  #setStep(): void {
    this.optimiser.setStep(this.#schedule(this.#step), this.#step + 1);
  }

  #computeStep(): void {
    scope(() => {
      const { value: loss, gradients } = valueAndGrad(this.#task.loss, this.#parameters);
      const { norm, finite } = this.optimiser.update(gradients, loss);
      // 0 · NaN is NaN, so the terms of a skipped step are selected away.
      const terms = stack([loss, norm, reshape(finite, [])], 0);
      addAssign(this.#totals, map('where(finite > 0, x, 0)', { finite, x: terms }));
    });
  }
}
