import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { checkDataset } from '../../src/config.ts';
import {
  distillationConfig,
  parseDistillationConfig,
  type DistillationConfig,
} from '../../src/distill-config.ts';
import { applyOverrides } from '../config-overrides.ts';
import { withDevice } from '../device.ts';
import { distillInFolder } from '../distill-in-folder.ts';
import { parseDistillationRun, type DistillationRun } from '../distillation-run.ts';
import {
  modelName,
  resolveCheckpoint,
  withModelOptions,
  type ModelOptions,
} from '../model-options.ts';
import { checkResume, withFolderRunOptions, type FolderRunOptions } from '../folder-run-options.ts';
import {
  collect,
  isGiven,
  wholeNumber,
  withCommonOptions,
  type CommonOptions,
} from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { RunFolder } from '../run-folder.ts';
import { readStudent } from '../student-checkpoint.ts';
import { loadTrainedModel, loadTrainingImages, type TrainedModel } from '../trained-model.ts';
import { loadSplit, loadTrainingData, drawImages } from '../training-data.ts';

interface DistillOptions extends CommonOptions, ModelOptions, FolderRunOptions {
  readonly data?: string;
  readonly trainImages?: number;
  readonly steps?: number;
  readonly attention?: DistillationConfig['attention'];
  readonly set: readonly string[];
  readonly runOut?: string;
  readonly compareImages: number;
}

/** Options that say what to distil; without any of them a run folder's own configuration counts. */
const CHOICES = ['checkpoint', 'run', 'data', 'trainImages', 'steps', 'attention', 'set', 'seed'];

export function addDistillCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('distill')
      .description(
        "Distil a trained model's flow into a student that inverts each block in one pass, and compare the two.",
      ),
  )
    .option('--data <name|dir>', 'images to distil on (default: those of the training)')
    .option('--train-images <n>', 'use only this many of them', wholeNumber(1))
    .option(
      '--steps <n>',
      "steps of the whole run (default: 0.21 of the training's)",
      wholeNumber(1),
    )
    .addOption(
      new Option(
        '--attention <kind>',
        'bidirectional (default), or causal with the shift by one',
      ).choices(['bidirectional', 'causal']),
    )
    .option('--set <key=value>', 'change one part, as in batch=64 or latentNoise=0', collect, [])
    .option('--run-out <dir>', 'folder of the student (default: runs/student-<model>-<seed>)')
    .option('--compare-images <n>', 'test images to compare the inverses on', wholeNumber(1), 16);
  withCommonOptions(withFolderRunOptions(command), [
    'farmer distill --checkpoint tiny --steps 2000',
    'farmer distill --run runs/tiny-mnist-0 --attention causal --run-out runs/causal-student',
    'farmer distill --run-out runs/causal-student        # goes on with an interrupted run',
  ]).action(async (options: DistillOptions, self: Command) => {
    const isChosen = CHOICES.some((name) => isGiven(self, name));
    await runDistill(options, isChosen);
  });
}

async function runDistill(options: DistillOptions, isChosen: boolean): Promise<void> {
  const output = createOutput(options);
  const saved =
    isChosen || options.runOut === undefined ? undefined : await savedRun(options.runOut);
  const path = saved?.teacher ?? resolveCheckpoint(options);
  const folder = new RunFolder(
    options.runOut ?? join('runs', `student-${modelName(path)}-${options.seed}`),
  );
  checkResume(options, folder);
  await withDevice(options, output, async (device) => {
    const teacher = await loadTrainedModel(path);
    const run = saved ?? chooseRun(path, teacher, options);
    const dataset = await distillationData(run, teacher);
    const { data, config } = teacher.checkpoint.run;
    const test = await loadSplit(data, 'test', config.model.image);
    const testImages = drawImages(
      test,
      Math.min(options.compareImages, test.count),
      '--compare-images',
    );
    printRun(output, folder, run, dataset.name);
    await distillInFolder({ folder, run, teacher, dataset, testImages, device, output, options });
  });
}

/** The run of a folder; one that was stopped before its first checkpoint has a configuration alone. */
async function savedRun(path: string): Promise<DistillationRun | undefined> {
  const folder = new RunFolder(path);
  const run = await folder.readConfigAs(parseDistillationRun);
  if (run || !folder.hasCheckpoint()) return run;
  return (await readStudent(folder.checkpoint)).run;
}

function chooseRun(
  path: string,
  { checkpoint: { run } }: TrainedModel,
  { data, trainImages, steps, attention, seed, set }: DistillOptions,
): DistillationRun {
  const base = distillationConfig(run.config.training, {
    ...(steps === undefined ? {} : { steps }),
    ...(attention === undefined ? {} : { attention }),
  });
  return {
    teacher: path,
    data: data ?? run.data,
    trainImages: trainImages ?? (data === undefined ? run.trainImages : undefined),
    seed,
    distillation: parseDistillationConfig(applyOverrides(base, set), '--set'),
  };
}

async function distillationData(run: DistillationRun, { checkpoint }: TrainedModel) {
  const { data, trainImages, config } = checkpoint.run;
  if (run.data === data && run.trainImages === trainImages) return loadTrainingImages(checkpoint);
  const dataset = await loadTrainingData(run, config.model.image);
  checkDataset(config.model, dataset);
  return dataset;
}

function printRun(output: Output, folder: RunFolder, run: DistillationRun, data: string): void {
  output.line(`run         ${folder.path}`);
  output.line(`teacher     ${run.teacher}`);
  output.line(`data        ${data}`);
  output.line(`seed        ${run.seed}`);
  output.line(`distilling  ${JSON.stringify(run.distillation)}`);
}
