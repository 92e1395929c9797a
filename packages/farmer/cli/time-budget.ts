import type { CompileProgress, Device } from '@farmer/tensor';
import type { Trainer } from '../src/trainer.ts';
import { runTraining } from './training-loop.ts';

/** Fewer steps than this say nothing about speed, nor train anything. */
const LEAST_STEPS = 10;

export interface MeasuredStep {
  readonly secondsPerStep: number;
  /** Seconds from the start of the process to the end of the first step. */
  readonly firstStepAt: number;
}

/**
 * Measures the seconds of one step with a trainer that is thrown away afterwards. Its first steps compile kernels and
 * fill caches, so they do not count.
 * @param seconds to measure for, at least
 * @param onCompiled hears of kernels that were compiled, and of all that need to be
 */
export async function measureStep(
  trainer: Trainer,
  device: Device,
  seconds: number,
  onCompiled: CompileProgress,
): Promise<MeasuredStep> {
  const logSteps = Infinity;
  await runTraining({ trainer, device, until: 1, logSteps, onCompiled });
  const firstStepAt = performance.now() / 1000;
  await runTraining({ trainer, device, until: 3, logSteps });
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const isEnough = () => {
    const steps = trainer.step - 3;
    // A very slow device must not spend its budget on measuring it.
    return (
      elapsed() >= seconds && (steps >= LEAST_STEPS || (steps >= 2 && elapsed() > 4 * seconds))
    );
  };
  await runTraining({ trainer, device, until: Infinity, logSteps, shouldStop: isEnough });
  return { secondsPerStep: elapsed() / (trainer.step - 3), firstStepAt };
}

/** The number of steps that fit: two significant digits, so that like machines choose alike. */
export function stepsWithin(seconds: number, secondsPerStep: number): number {
  const fit = seconds / secondsPerStep;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, fit))) - 1);
  return Math.max(LEAST_STEPS, Math.floor(fit / unit) * unit);
}

/** Counts the seconds of a budget from now on. */
export class Clock {
  readonly #start = performance.now();
  readonly #budget: number;

  constructor(budget: number) {
    this.#budget = budget;
  }

  get elapsed(): number {
    return (performance.now() - this.#start) / 1000;
  }

  get left(): number {
    return this.#budget - this.elapsed;
  }
}
