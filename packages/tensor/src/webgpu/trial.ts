import type { Tensor } from '../tensor.ts';
import type { WebGpuDevice } from './device.ts';

/** Work of one shape, with operands of its own, that any of several choices can do. */
export interface TrialWork<Choice> {
  /** Issues the work. */
  run(choice: Choice): void;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Which choices are measured, and on what. */
export interface TrialPlan<Choice> {
  readonly choices: readonly Choice[];
  /** The choice that all others are compared with. */
  readonly plainest: Choice;
  /** What serves if none gives right results. */
  readonly otherwise: Choice;
  nameOf(choice: Choice): string;
  /** Whether each output is right, from the plainest choice's. */
  isClose(actual: ArrayLike<number>, expected: ArrayLike<number>, choice: Choice): boolean;
  /** What results are compared on, and what is timed; they may be the same. */
  readonly small: TrialWork<Choice>;
  readonly whole: TrialWork<Choice>;
}

const timedRuns = 3;
/** A choice that is so many times slower at first is not timed again. */
const hopeless = 3;

/** Verifies each choice against the plainest, then times it. Disposes the works' tensors. @returns the fastest one's name */
export async function runTrial<C>(device: WebGpuDevice, plan: TrialPlan<C>): Promise<string> {
  const { small, whole, nameOf } = plan;
  try {
    const expected = await resultsOf(small, plan.plainest);
    let [best, fastest] = [Infinity, nameOf(plan.otherwise)];
    for (const choice of plan.choices) {
      const actual = await resultsOf(small, choice);
      if (!expected.every((values, i) => plan.isClose(actual[i]!, values, choice))) continue;
      await timeOf(device, whole, choice);
      for (let i = 0; i < timedRuns; i++) {
        const time = await timeOf(device, whole, choice);
        if (time < best) [best, fastest] = [time, nameOf(choice)];
        if (time > hopeless * best) break;
      }
    }
    return fastest;
  } finally {
    for (const { inputs, outputs } of new Set([small, whole])) {
      for (const each of [...inputs, ...outputs]) each.dispose();
    }
  }
}

async function resultsOf<C>({ run, outputs }: TrialWork<C>, choice: C) {
  // What a choice leaves unwritten must not look like the result of the one before. Some read what they write, so that
  // NaN would hide whatever they do.
  for (const output of outputs) {
    const { size, dtype } = output;
    output.write(dtype === 'f32' ? trialNoise(size) : new Int32Array(size).fill(-1));
  }
  run(choice);
  return Promise.all(outputs.map((output) => output.data()));
}

/** Milliseconds of one run. */
async function timeOf<C>(device: WebGpuDevice, { run }: TrialWork<C>, choice: C): Promise<number> {
  await device.synchronize();
  const start = performance.now();
  run(choice);
  await device.synchronize();
  return performance.now() - start;
}

/** Numbers that are uniform on ±½; a quarter of a million repeat, enough to tell right results from wrong ones. */
export function trialNoise(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 262139) / 262139 - 0.5);
}

/** Integers from 0 to below `end`, such as labels. */
export function trialIntegers(size: number, end: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => ((i * 7919) % 262139) % end);
}

/** Sizes rounded up to powers of two, which the same variants serve. */
export function sizeClass(sizes: readonly number[]): string {
  return sizes.map((size) => 2 ** Math.ceil(Math.log2(Math.max(1, size)))).join('x');
}
