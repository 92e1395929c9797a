import type { CompileProgress } from '@farmer/tensor';
import type { StepMetrics } from '../src/captured-training.ts';
import type { Output } from './output.ts';

interface ShownMetrics {
  readonly loss: number;
  readonly bitsPerDim?: number;
}

/** What a progress line shows. */
export interface ProgressState {
  readonly step: number;
  readonly steps: number;
  readonly metrics?: ShownMetrics | undefined;
  readonly imagesPerSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
}

export function formatProgress(state: ProgressState): string {
  const { step, steps, metrics, imagesPerSecond, secondsLeft } = state;
  const width = String(steps).length;
  return [
    `step ${String(step).padStart(width)}/${steps}`,
    metrics && `loss ${metrics.loss.toFixed(4)}`,
    metrics?.bitsPerDim !== undefined && `${metrics.bitsPerDim.toFixed(4)} bits/dim`,
    imagesPerSecond !== undefined && `${formatRate(imagesPerSecond)} images/s`,
    secondsLeft !== undefined && `${formatDuration(secondsLeft)} left`,
  ]
    .filter((part) => typeof part === 'string')
    .join('  ');
}

/** Three significant digits, without an exponent. */
function formatRate(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
}

/** "42s", "3m 05s", "2h 07m". */
export function formatDuration(seconds: number): string {
  const total = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (total < 60) return `${total}s`;
  if (total < 3600) return `${Math.floor(total / 60)}m ${two(total % 60)}s`;
  return `${Math.floor(total / 3600)}h ${two(Math.floor((total % 3600) / 60))}m`;
}

/** Shows how many kernels are compiled. */
export function compilingLine(output: Output): CompileProgress {
  return (done, total) => output.status(`compiling kernels: ${done} of ${total}`);
}

const SPEED_WINDOW_MS = 20_000;
const REFRESH_MS = 200;

/** Shows one progress line for a training run. Speed is that of the last 20 seconds. */
export class Progress {
  readonly #output: Output;
  readonly #steps: number;
  readonly #batch: number;
  readonly #times: { step: number; at: number }[] = [];
  #metrics: (StepMetrics & ShownMetrics) | undefined;

  constructor(output: Output, { steps, batch }: { steps: number; batch: number }) {
    this.#output = output;
    this.#steps = steps;
    this.#batch = batch;
  }

  /** Means of the window that ended at this step. */
  metrics(metrics: StepMetrics & ShownMetrics): void {
    this.#metrics = metrics;
    if (metrics.skipped > 0) {
      this.#output.line(
        `skipped ${metrics.skipped} ${metrics.skipped === 1 ? 'step' : 'steps'} before step ${metrics.step}: loss or gradient was not finite`,
      );
    }
  }

  /** Call after every step. */
  step(step: number): void {
    const now = performance.now();
    const last = this.#times.at(-1);
    if (last && now - last.at < REFRESH_MS) return;
    this.#times.push({ step, at: now });
    while (this.#times.length > 2 && now - this.#times[0]!.at > SPEED_WINDOW_MS)
      this.#times.shift();
    this.#output.status(this.#text(step));
  }

  /** Leaves the last state on a line of its own. */
  end(step: number): void {
    this.#times.push({ step, at: performance.now() });
    this.#output.line(this.#text(step));
  }

  #text(step: number): string {
    return formatProgress({ step, steps: this.#steps, metrics: this.#metrics, ...this.#speed() });
  }

  /** Images a second over the last window; undefined until two steps were timed. */
  get imagesPerSecond(): number | undefined {
    return this.#speed().imagesPerSecond;
  }

  #speed(): Pick<ProgressState, 'imagesPerSecond' | 'secondsLeft'> {
    const [first, last] = [this.#times[0], this.#times.at(-1)];
    if (!first || !last || last.step === first.step) return {};
    const stepsPerSecond = (1000 * (last.step - first.step)) / (last.at - first.at);
    return {
      imagesPerSecond: stepsPerSecond * this.#batch,
      secondsLeft: (this.#steps - last.step) / stepsPerSecond,
    };
  }
}
