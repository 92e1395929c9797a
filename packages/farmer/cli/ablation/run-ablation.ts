import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '@farmer/tensor';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import type { SamplingOptions } from '../../src/sampler.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { describeDifferences } from '../config-overrides.ts';
import { writeFileAtomic } from '../files/atomic-write.ts';
import { withFolderLock } from '../folder-lock.ts';
import type { Output } from '../output.ts';
import { readJson } from '../run-config.ts';
import { trainInFolder } from '../train-in-folder.ts';
import { guidances } from './guidances.ts';
import { measureRun, type Yardstick } from './measure.ts';
import type { PlannedRun } from './plan.ts';
import { waysToDraw } from './rows.ts';
import { readResult, writeResult, type RunResult } from './run-result.ts';

export interface AblationSession {
  readonly runs: readonly PlannedRun[];
  readonly dataset: ImageDataset;
  readonly device: Device;
  readonly yardstick: Yardstick;
  readonly output: Output;
}

/** A run with its figures. */
export interface FinishedRun {
  readonly run: PlannedRun;
  readonly result: RunResult;
}

/**
 * Trains and measures each run that is not done yet.
 * @param onSeed called when all rows of a seed are done, with all runs done so far
 * @returns whether all runs are done; false after an interrupt
 */
export async function runAblation(
  session: AblationSession,
  onSeed: (done: readonly FinishedRun[]) => Promise<void>,
): Promise<boolean> {
  const { runs, output } = session;
  const done: FinishedRun[] = [];
  for (const [i, run] of runs.entries()) {
    output.line(`[${i + 1}/${runs.length}] ${run.row.name}, seed ${run.run.seed}`);
    const result = (await finished(run, session)) ?? (await finish(run, session));
    if (!result) return false;
    done.push({ run, result });
    if (runs[i + 1]?.run.seed !== run.run.seed) await onSeed(done);
  }
  return true;
}

async function finished(
  { folder, row }: PlannedRun,
  { yardstick, output }: AblationSession,
): Promise<RunResult | undefined> {
  const { measuring } = yardstick;
  const { steps } = row.config.training;
  const result = await readResult(folder, { measuring, steps, guidances: guidancesOf(row.name) });
  if (result) output.line(`  done before: ${result.bitsPerDim.toFixed(4)} bits/dim`);
  return result;
}

/** Trains and measures; undefined when a signal ended the training early. */
async function finish(run: PlannedRun, session: AblationSession): Promise<RunResult | undefined> {
  const { dataset, device, yardstick, output } = session;
  const { folder, row } = run;
  if (!(await isTrained(run))) {
    const { isInterrupted } = await trainInFolder({
      ...{ folder, run: run.run, dataset, device, output: indented(output) },
      options: { logSteps: 20, sampleSteps: 0, checkpointSteps: 1000, checkpointSeconds: 60 },
    });
    if (isInterrupted) return undefined;
  }
  const result = await withFolderLock(folder.path, async () => {
    const measured = await measureRun(folder, row.name, guidancesOf(row.name), yardstick, output);
    await writeResult(folder, measured);
    return measured;
  });
  // The next model's training needs other sizes.
  device.trim();
  const { bitsPerDim, standardError } = result;
  output.line(`  measured    ${bitsPerDim.toFixed(4)} ± ${standardError.toFixed(4)} bits/dim`);
  return result;
}

function guidancesOf(row: string): Readonly<Record<string, SamplingOptions>> {
  return Object.fromEntries(waysToDraw(row).map((name) => [name, guidances[name]]));
}

async function isTrained({ folder, run }: PlannedRun): Promise<boolean> {
  if (!folder.hasCheckpoint()) return false;
  const checkpoint = await readCheckpoint(folder.checkpoint);
  folder.checkSameRun(checkpoint.run, run);
  return checkpoint.step === run.config.training.steps;
}

/** The output of one training among many, whose results are not the command's. */
function indented(output: Output): Output {
  return { ...output, line: (text = '') => output.line(`  ${text}`), result: () => {} };
}

/**
 * Notes in an ablation's folder what its runs are of.
 * @throws Error naming what differs, when it holds runs of something else
 */
export async function claimFolder(path: string, choices: object): Promise<void> {
  const file = join(path, 'ablation.json');
  if (!existsSync(file)) {
    return writeFileAtomic(file, `${JSON.stringify(choices, undefined, 2)}\n`);
  }
  const differences = describeDifferences(await readJson(file), choices);
  if (differences === '') return;
  throw new Error(
    `${path} holds another ablation (${differences}): choose another --run, or give the options of the first`,
  );
}
