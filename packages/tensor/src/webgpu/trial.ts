import type { Tensor } from '../tensor.ts';
import { warnOfTrial } from './autotune.ts';
import type { WebGpuDevice } from './device.ts';
import { inErrorScope } from './error-scope.ts';

/** Work of one shape, with operands of its own, that any of several choices can do. */
export interface TrialWork<Choice> {
  /** Issues the work. */
  run(choice: Choice): void;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Which choices are measured, and on what. */
export interface TrialPlan<Choice> {
  /** Of the shape class. */
  readonly name: string;
  readonly choices: readonly Choice[];
  /** The choice that all others are compared with. */
  readonly plainest: Choice;
  /** What serves if none gives right results. */
  readonly otherwise: Choice;
  nameOf(choice: Choice): string;
  /** Whether each output is right, from the plainest choice's. */
  isClose(actual: ArrayLike<number>, expected: ArrayLike<number>, choice: Choice): boolean;
  /** Makes the works; the trial disposes their tensors. */
  prepare(): TrialWorks<Choice>;
}

/** What results are compared on, and what is timed; they may be the same. */
export interface TrialWorks<Choice> {
  readonly small: TrialWork<Choice>;
  readonly whole: TrialWork<Choice>;
}

const timedRuns = 3;
/** A choice that is so many times slower at first is not timed again. */
const hopeless = 3;

/**
 * Verifies each choice against the plainest, then times it. One that fails is reported on stderr and left out.
 * @returns the fastest one's name
 * @throws Error where the work cannot be prepared, or the plainest choice fails
 */
export async function runTrial<C>(device: WebGpuDevice, plan: TrialPlan<C>): Promise<string> {
  const prepared = new Set<TrialWork<C>>();
  let hasFailed = true;
  try {
    const { small, whole } = await attempt(device, () => {
      const works = plan.prepare();
      prepared.add(works.small).add(works.whole);
      return works;
    });
    const expected = await resultsOf(device, small, plan.plainest);
    hasFailed = false;
    let [best, fastest] = [Infinity, plan.nameOf(plan.otherwise)];
    for (const choice of plan.choices) {
      try {
        const actual = await resultsOf(device, small, choice);
        if (!expected.every((values, i) => plan.isClose(actual[i]!, values, choice))) continue;
        const time = await leastTimeOf(device, whole, choice, hopeless * best);
        if (time < best) [best, fastest] = [time, plan.nameOf(choice)];
      } catch (error) {
        hasFailed = true;
        warnOfTrial(`${plan.name} leaves out ${plan.nameOf(choice)}`, error);
      }
    }
    return fastest;
  } finally {
    for (const { inputs, outputs } of prepared) {
      for (const each of [...inputs, ...outputs]) each.dispose();
    }
    // Memory that the GPU did not have must not be taken for free memory.
    if (hasFailed) device.trim();
  }
}

/** Runs `body`, whose errors on the GPU are thrown here and are not the device's. */
function attempt<T>(device: WebGpuDevice, body: () => T | Promise<T>): Promise<T> {
  device.flush(); // What others have issued is not of this.
  return inErrorScope(device.gpu, () => {
    try {
      return body();
    } finally {
      device.flush();
    }
  });
}

/** Shaders that do not compile are reported by `precompile` alone. */
async function attemptRun<C>(
  device: WebGpuDevice,
  { run }: TrialWork<C>,
  choice: C,
): Promise<void> {
  await attempt(device, () => device.precompile(() => run(choice)));
  await attempt(device, () => run(choice));
}

async function resultsOf<C>(device: WebGpuDevice, work: TrialWork<C>, choice: C) {
  const { outputs } = work;
  // What a choice leaves unwritten must not look like the result of the one before. Some read what they write, so that
  // NaN would hide whatever they do.
  for (const output of outputs) {
    const { size, dtype } = output;
    output.write(dtype === 'f32' ? trialNoise(size) : new Int32Array(size).fill(-1));
  }
  await attemptRun(device, work, choice);
  return attempt(device, () => Promise.all(outputs.map((output) => output.data())));
}

/** Milliseconds of the fastest run of a few; of those so far, when one takes longer than `patience`. */
async function leastTimeOf<C>(
  device: WebGpuDevice,
  work: TrialWork<C>,
  choice: C,
  patience: number,
): Promise<number> {
  await attemptRun(device, work, choice);
  let least = Infinity;
  for (let i = 0; i < timedRuns; i++) {
    const time = await timeOf(device, work, choice);
    least = Math.min(least, time);
    if (time > patience) break;
  }
  return least;
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
