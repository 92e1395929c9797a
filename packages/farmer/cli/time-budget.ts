import type { Device } from '@farmer/tensor';
import type { Trainer } from '../src/trainer.ts';

/** Fewer steps than this say nothing about speed, nor train anything. */
const LEAST_STEPS = 10;

/**
 * Measures the seconds of one step with a trainer that is thrown away afterwards. The first steps compile kernels and
 * fill caches, so they do not count.
 * @param seconds to measure for, at least
 */
export async function measureStep(
  trainer: Trainer,
  device: Device,
  seconds: number,
): Promise<number> {
  for (let warm = 0; warm < 3; warm++) {
    trainer.advance();
    await device.synchronize();
  }
  const start = performance.now();
  let steps = 0;
  let elapsed = 0;
  while (steps < LEAST_STEPS || elapsed < seconds) {
    trainer.advance();
    await device.synchronize();
    steps++;
    elapsed = (performance.now() - start) / 1000;
    // A very slow device must not spend its budget on measuring it.
    if (elapsed > 4 * seconds && steps >= 2) break;
  }
  return elapsed / steps;
}

/** The number of steps that fit: two significant digits, so that like machines choose alike. */
export function stepsWithin(seconds: number, secondsPerStep: number): number {
  const fit = seconds / secondsPerStep;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, fit))) - 1);
  return Math.max(LEAST_STEPS, Math.floor(fit / unit) * unit);
}
