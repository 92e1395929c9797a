import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { withDevice } from '../device.ts';
import { checkResume, withFolderRunOptions, type FolderRunOptions } from '../folder-run-options.ts';
import { isGiven, wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { notePadding } from '../padding-note.ts';
import { resolveRun, type RunChoices, type RunConfig } from '../run-config.ts';
import { RunFolder } from '../run-folder.ts';
import { withRunOptions } from '../run-options.ts';
import { trainInFolder } from '../train-in-folder.ts';
import { loadTrainingData } from '../training-data.ts';

interface TrainOptions extends CommonOptions, RunChoices, FolderRunOptions {
  readonly run?: string;
  readonly sampleSteps?: number;
}

/** Options that say what to train; without any of them a run folder's own configuration counts. */
const CHOICES = ['preset', 'config', 'data', 'trainImages', 'imageSize', 'steps', 'set', 'seed'];

export function addTrainCommand(program: Command): void {
  const command = withRunOptions(
    program
      .command('train')
      .description(
        'Train a model in a run folder; a run that was interrupted goes on where it was.',
      ),
    'the whole run',
  )
    .option('--config <file>', 'JSON file with the parts that differ from the preset')
    .option('--run <dir>', 'run folder (default: runs/<preset>-<data>-<seed>)')
    .option('--sample-steps <n>', 'draw samples every n steps; 0: never', wholeNumber(0));
  withCommonOptions(withFolderRunOptions(command), [
    'farmer train --preset tiny',
    'farmer train --data fashion-mnist --set training.batch=64 --set model.ar.width=96',
    'farmer train --run runs/tiny-mnist-0        # goes on with an interrupted run',
    'nohup farmer train --preset small &         # outlives the terminal',
  ]).action(async (options: TrainOptions, self: Command) => {
    const isChosen = CHOICES.some((name) => isGiven(self, name));
    await runTrain(options, isChosen);
  });
}

async function runTrain(options: TrainOptions, isChosen: boolean): Promise<void> {
  const output = createOutput(options);
  const folder = new RunFolder(options.run ?? defaultFolder(options));
  checkResume(options, folder);
  const { run, dataset } = await chooseRun(folder, options, isChosen);
  printRun(output, folder, run, dataset);
  await withDevice(options, output, (device) =>
    trainInFolder({ folder, run, dataset, device, output, options }),
  );
}

function defaultFolder({ preset, config, data, seed }: TrainOptions): string {
  const name = config === undefined ? preset : basename(config, '.json');
  return join('runs', `${name}-${basename(resolve(data))}-${seed}`);
}

/** The folder's own run, unless the options say what to train; these must not contradict its checkpoint. */
async function chooseRun(
  folder: RunFolder,
  options: TrainOptions,
  isChosen: boolean,
): Promise<{ run: RunConfig; dataset: ImageDataset }> {
  const saved = isChosen && !folder.hasCheckpoint() ? undefined : await savedRun(folder);
  if (saved && !isChosen) {
    return { run: saved, dataset: await loadTrainingData(saved, saved.config.model.image) };
  }
  const chosen = await resolveRun(options);
  if (saved) folder.checkSameRun(saved, chosen.run);
  return chosen;
}

/** A run that was stopped before its first checkpoint has a configuration alone. */
async function savedRun(folder: RunFolder): Promise<RunConfig | undefined> {
  const run = await folder.readConfig();
  if (run || !folder.hasCheckpoint()) return run;
  return (await readCheckpoint(folder.checkpoint)).run;
}

function printRun(output: Output, folder: RunFolder, run: RunConfig, dataset: ImageDataset): void {
  const { seed, config } = run;
  output.line(`run         ${folder.path}`);
  output.line(`data        ${dataset.name}: ${dataset.count} images`);
  output.line(`seed        ${seed}`);
  output.line(`model       ${JSON.stringify(config.model)}`);
  notePadding(output, config.model);
  output.line(`training    ${JSON.stringify(config.training)}`);
}
