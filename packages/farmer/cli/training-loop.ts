import type { CompileProgress, Device } from '@farmer/tensor';
import type { StepMetrics } from '../src/captured-training.ts';

/** Steps in a row without a finite loss after which training has failed. */
const HOPELESS_STEPS = 50;

/** Something that is trained step by step: a model, or a student. */
export interface Trainable<Metrics extends StepMetrics> {
  /** Steps done. */
  readonly step: number;
  precompile(onProgress?: CompileProgress): Promise<void>;
  advance(): void;
  /** Means over the steps since the last reading, up to the last step that was started. */
  readMetrics(): Promise<Metrics>;
}

export interface TrainingLoop<Metrics extends StepMetrics> {
  readonly trainer: Trainable<Metrics>;
  readonly device: Device;
  /** Train to this step. */
  readonly until: number;
  /** Read metrics at every multiple of this many steps, and at the end. */
  readonly logSteps: number;
  /** Kernels that were compiled, and all that need to be, where that takes a while. */
  readonly onCompiled?: CompileProgress;
  readonly onMetrics?: (metrics: Metrics) => void | Promise<void>;
  /**
   * Runs after every step that is not the last.
   * @param settled resolves when `onMetrics` has seen all metrics up to this step
   */
  readonly afterStep?: (step: number, settled: () => Promise<void>) => void | Promise<void>;
  readonly shouldStop?: () => boolean;
}

/**
 * Trains until a step, or until asked to stop. The device computes one step while the host prepares the next; metrics
 * are read while the device goes on.
 * @throws Error when the loss stays non-finite
 */
export async function runTraining<Metrics extends StepMetrics>(
  loop: TrainingLoop<Metrics>,
): Promise<void> {
  const { trainer, device, until, logSteps } = loop;
  let submitted = Promise.resolve();
  let reading = Promise.resolve();
  let hopeless = 0;
  let lastRead = trainer.step;
  const read = async () => {
    const { step } = trainer;
    const steps = step - lastRead;
    if (steps === 0) return;
    lastRead = step;
    const metrics = await trainer.readMetrics();
    await loop.onMetrics?.(metrics);
    hopeless = metrics.skipped === steps ? hopeless + steps : 0;
    if (hopeless >= HOPELESS_STEPS) {
      throw new Error(
        `no finite loss or gradient in the last ${hopeless} steps before step ${step}: lower the learning rate, or lengthen its warm-up`,
      );
    }
  };
  const settled = () => reading;
  await trainer.precompile(loop.onCompiled);
  while (trainer.step < until && !loop.shouldStop?.()) {
    trainer.advance();
    const previous = submitted;
    submitted = failLater(device.synchronize());
    await previous;
    await reading;
    if (trainer.step % logSteps === 0) reading = failLater(read());
    if (trainer.step < until) await loop.afterStep?.(trainer.step, settled);
    // The CPU device computes without a pause, in which signals would never arrive.
    await new Promise<void>((resume) => setImmediate(resume));
  }
  await submitted;
  await reading;
  await read();
}

/** A promise that is awaited later; if it fails before that, the failure must wait too. */
function failLater(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
