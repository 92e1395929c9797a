import type { Device } from '@farmer/tensor';
import type { StepMetrics } from '../src/captured-training.ts';

/** Steps in a row without a finite loss after which training has failed. */
const HOPELESS_STEPS = 50;

/** Something that is trained step by step: a model, or a student. */
export interface Trainable<Metrics extends StepMetrics> {
  /** Steps done. */
  readonly step: number;
  advance(): void;
  /** Means over the steps since the last reading. */
  readMetrics(): Promise<Metrics>;
}

export interface TrainingLoop<Metrics extends StepMetrics> {
  readonly trainer: Trainable<Metrics>;
  readonly device: Device;
  /** Train to this step. */
  readonly until: number;
  /** Read metrics at every multiple of this many steps, and at the end. */
  readonly logSteps: number;
  readonly onMetrics?: (metrics: Metrics) => void | Promise<void>;
  /** Runs after every step that is not the last. */
  readonly afterStep?: (step: number) => void | Promise<void>;
  readonly shouldStop?: () => boolean;
}

/**
 * Trains until a step, or until asked to stop. The device computes one step while the host prepares the next.
 * @throws Error when the loss stays non-finite
 */
export async function runTraining<Metrics extends StepMetrics>(
  loop: TrainingLoop<Metrics>,
): Promise<void> {
  const { trainer, device, until, logSteps } = loop;
  let submitted = Promise.resolve();
  let hopeless = 0;
  let lastRead = trainer.step;
  const read = async () => {
    const steps = trainer.step - lastRead;
    if (steps === 0) return;
    const metrics = await trainer.readMetrics();
    lastRead = trainer.step;
    await loop.onMetrics?.(metrics);
    hopeless = metrics.skipped === steps ? hopeless + steps : 0;
    if (hopeless >= HOPELESS_STEPS) {
      throw new Error(
        `no finite loss or gradient in the last ${hopeless} steps before step ${trainer.step}: lower training.peakLearningRate, or raise training.warmup`,
      );
    }
  };
  while (trainer.step < until && !loop.shouldStop?.()) {
    trainer.advance();
    const previous = submitted;
    submitted = device.synchronize();
    // It is awaited later; if it fails before that, the failure must wait too.
    submitted.catch(() => {});
    await previous;
    if (trainer.step % logSteps === 0) await read();
    if (trainer.step < until) await loop.afterStep?.(trainer.step);
  }
  await submitted;
  await read();
}
