import { existsSync } from 'node:fs';
import type { Device } from '@farmer/tensor';
import { trainingCost } from '../src/budget.ts';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { fitHistogram, type PixelHistogram } from '../src/histogram.ts';
import { Farmer } from '../src/model.ts';
import { Trainer } from '../src/trainer.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { messageOf } from './errors.ts';
import { removeUnfinishedWrites } from './files/atomic-write.ts';
import { withFolderLock } from './folder-lock.ts';
import { bytes, bytesByTag } from './model-report.ts';
import type { Output } from './output.ts';
import { restoreRun } from './restore-run.ts';
import type { RunConfig } from './run-config.ts';
import type { RunFolder } from './run-folder.ts';
import { runInFolder } from './run-in-folder.ts';
import type { FolderRunOptions } from './folder-run-options.ts';
import { drawSamples, labelsOfEveryClass, writeGrid } from './sample-grid.ts';
import { shellWord } from './shell-word.ts';
import { checkFingerprint, fingerprint } from './training-data.ts';

/** Images of each class in the grids that a run draws on its way. */
const SAMPLES_A_CLASS = 8;

export interface TrainingSession {
  readonly folder: RunFolder;
  readonly run: RunConfig;
  readonly dataset: ImageDataset;
  readonly device: Device;
  readonly output: Output;
  readonly options: FolderRunOptions & { readonly sampleSteps?: number };
}

/**
 * Starts or continues the run of a folder, and leaves its checkpoint, metrics and samples there.
 * @returns whether a signal ended it early
 */
export function trainInFolder(
  session: TrainingSession,
): Promise<{ readonly isInterrupted: boolean }> {
  return withFolderLock(session.folder.path, () => train(session));
}

async function train(session: TrainingSession) {
  const { folder, run, dataset, device, output, options } = session;
  const histogram = fitHistogram(dataset);
  const { seed, config } = run;
  const model = new Farmer(config.model, seed);
  const trainer = new Trainer(model, config.training, dataset, { histogram, seed });
  output.line(`parameters  ${model.parameterCount()}`);
  await restore(session, trainer);
  const { steps, batch } = config.training;
  const sampleSteps = options.sampleSteps ?? Math.ceil(steps / 10);
  const isSampled = (step: number) =>
    sampleSteps > 0 && step > 0 && (step % sampleSteps === 0 || step === steps);
  // A process may be killed between a step's checkpoint and its samples.
  if (isSampled(trainer.step) && !existsSync(folder.samples(trainer.step))) {
    await drawGrid(session, trainer, histogram);
  }
  const { metrics, imagesPerSecond, isInterrupted } = await runInFolder({
    ...{ folder, trainer, device, output, steps, batch, options },
    save: () => saveCheckpoint(session, trainer, histogram),
    afterStep: async (step) => {
      if (isSampled(step)) await drawGrid(session, trainer, histogram);
    },
  });
  const isFinished = metrics !== undefined && trainer.step === steps;
  if (isFinished && isSampled(steps)) await drawGrid(session, trainer, histogram);
  const { loss, bitsPerDim } = metrics ?? {};
  const memory = reportMemory(session);
  report(session, trainer.step, { loss, bitsPerDim, imagesPerSecond, memory });
  trainer.dispose();
  model.dispose();
  return { isInterrupted };
}

/** Loads the folder's checkpoint, or begins the folder anew if it has none. */
async function restore(session: TrainingSession, trainer: Trainer): Promise<void> {
  const { folder, run, dataset, output } = session;
  const { steps } = run.config.training;
  await removeUnfinishedWrites(folder.samplesFolder);
  await restoreRun({ folder, run, trainer, output, steps }, async () => {
    const { step, model, optimizer, ...saved } = await readCheckpoint(folder.checkpoint);
    folder.checkSameRun(saved.run, run);
    checkFingerprint(folder.checkpoint, run, saved.fingerprint, dataset);
    if (!optimizer) {
      throw new Error(
        `${folder.checkpoint} holds weights alone, without optimizer.* tensors: training cannot go on from it`,
      );
    }
    trainer.model.loadStateDict(model, folder.checkpoint);
    trainer.optimiser.loadStateDict(optimizer, folder.checkpoint);
    return step;
  });
}

async function saveCheckpoint(
  { folder, run, dataset }: TrainingSession,
  { step, model, optimiser }: Trainer,
  histogram: PixelHistogram,
): Promise<void> {
  const { classNames } = dataset;
  const info = { run, step, fingerprint: fingerprint(dataset), classNames, histogram };
  const state = await model.stateDict();
  await writeCheckpoint(folder.checkpoint, info, state, await optimiser.stateDict());
}

async function drawGrid(
  { folder, run, output }: TrainingSession,
  { step, model }: Trainer,
  histogram: PixelHistogram,
): Promise<void> {
  const labels = labelsOfEveryClass(model.config.classes, SAMPLES_A_CLASS);
  const path = folder.samples(step);
  try {
    const images = await drawSamples(model, histogram, { labels, seed: run.seed });
    await writeGrid(path, images, model.config.image, SAMPLES_A_CLASS);
    output.line(`samples     ${path}`);
  } catch (error) {
    // An early model may not sample yet; that must not end its training.
    output.line(`no samples at step ${step}: ${messageOf(error)}`);
  }
}

/** What the device held at most, beside what a training step needs. */
function reportMemory({ device, run: { config }, output }: TrainingSession) {
  const { peak, peakByTag } = device.memory();
  const { peakBytes: need } = trainingCost(config, config.training.batch);
  output.line(
    `memory      peak ${bytes(peak)} (in use ${bytesByTag(peakByTag)}); a training step needs ${bytes(need)}`,
  );
  return { peak, peakByTag, need };
}

function report(
  { folder, run, output }: TrainingSession,
  step: number,
  figures: Readonly<Record<string, unknown>>,
): void {
  const { steps } = run.config.training;
  const { path, checkpoint } = folder;
  const shown = shellWord(path);
  output.line(
    step < steps
      ? `go on with  farmer train --run ${shown}`
      : `next        farmer eval --run ${shown}; farmer sample --run ${shown}`,
  );
  output.result({ command: 'train', run: path, checkpoint, step, steps, ...figures });
}
