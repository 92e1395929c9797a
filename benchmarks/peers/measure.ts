import type { Library, Task } from './library.ts';
import type { Workload } from './workloads.ts';

export interface Timing {
  readonly library: string;
  /** Median over the rounds, in milliseconds. */
  readonly median: number;
  readonly best: number;
  /** Median of the processor time of the whole process, in milliseconds: less at the mercy of other programs. */
  readonly processor: number;
  /** This library's time by ours, round by round: median and quartiles. */
  readonly ratio: readonly [low: number, median: number, high: number];
  /** Relative distance from our results. */
  readonly error: number;
}

export interface Measurement {
  readonly workload: Workload;
  readonly rounds: number;
  readonly timings: readonly Timing[];
  /** Why a library is missing. */
  readonly failures: Readonly<Record<string, string>>;
}

interface Contender {
  readonly library: Library;
  readonly task: Task;
  readonly error: number;
  readonly repeats: number;
  readonly wall: number[];
  readonly processor: number[];
}

/** Results further than this from ours are wrong, and not timed. */
const tolerance = 1e-4;
const roundMilliseconds = 25;

/**
 * Checks each library's result against the first library's, warms all up, then times them in
 * turns: A B C, C B A, A B C, …
 * @param seconds about how long the rounds may take
 */
export async function measure(
  workload: Workload,
  libraries: readonly Library[],
  seconds: number,
): Promise<Measurement> {
  const failures: Record<string, string> = {};
  const contenders: Contender[] = [];
  let reference: Float32Array[] | undefined;
  for (const library of libraries) {
    try {
      const task = library.prepare(workload.work);
      if (!task) continue;
      const results = await task.results?.();
      reference ??= results;
      const error = results && reference ? distance(results, reference) : 0;
      if (!(error < tolerance))
        throw new Error(`wrong result: ${error.toExponential(1)} from ours`);
      const repeats = await warmUp(task);
      contenders.push({ library, task, error, repeats, wall: [], processor: [] });
    } catch (error) {
      failures[library.name] = error instanceof Error ? error.message : String(error);
    }
  }
  const rounds = await alternate(contenders, seconds);
  for (const { task } of contenders) task.dispose();
  return { workload, rounds, failures, timings: contenders.map((c) => summary(c, contenders[0]!)) };
}

/** Runs three times, once if that is long, and gives the runs that fill a round. */
async function warmUp(task: Task): Promise<number> {
  let last = 0;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await task.run();
    last = performance.now() - start;
    if (last > 1000) break;
  }
  return Math.max(1, Math.min(200, Math.round(roundMilliseconds / last)));
}

async function alternate(contenders: readonly Contender[], seconds: number): Promise<number> {
  const start = performance.now();
  let rounds = 0;
  while (rounds < 4 || (rounds < 30 && performance.now() - start < 1000 * seconds)) {
    const order = rounds % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) await round(contender);
    rounds++;
  }
  return rounds;
}

async function round({ task, repeats, wall, processor }: Contender): Promise<void> {
  const used = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < repeats; i++) await task.run();
  wall.push((performance.now() - start) / repeats);
  const { user, system } = process.cpuUsage(used);
  processor.push((user + system) / 1000 / repeats);
}

function summary({ library, error, wall, processor }: Contender, first: Contender): Timing {
  const ratios = wall.map((time, i) => time / first.wall[i]!);
  return {
    library: library.name,
    median: quantile(wall, 0.5),
    best: Math.min(...wall),
    processor: quantile(processor, 0.5),
    ratio: [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)],
    error,
  };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const low = sorted[Math.floor(place)]!;
  return low + (sorted[Math.ceil(place)]! - low) * (place % 1);
}

/**
 * The largest relative distance of any of the arrays, by the Euclidean norm. An array that is zero
 * but for rounding (the gradient of a key's bias) is measured by a thousandth of the largest one.
 */
function distance(results: readonly Float32Array[], expected: readonly Float32Array[]): number {
  if (results.length !== expected.length) return NaN;
  const norms = expected.map((array) => norm(array));
  const least = 1e-3 * Math.max(...norms);
  const errors = results.map((result, i) => {
    const other = expected[i]!;
    if (result.length !== other.length) return NaN;
    return norm(result.map((value, j) => value - other[j]!)) / Math.max(norms[i]!, least);
  });
  return Math.max(...errors);
}

const norm = (array: Float32Array): number =>
  Math.sqrt(array.reduce((sum, value) => sum + value * value, 0));
