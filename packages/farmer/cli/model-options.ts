import { basename, dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Farmer } from '../src/model.ts';
import type { StudentFlow } from '../src/student-flow.ts';
import type { Checkpoint } from './checkpoint.ts';
import { RunFolder } from './run-folder.ts';
import { loadStudent, weightsHash } from './student-checkpoint.ts';
import { listed, shippedWeights, weightsFile } from './weights.ts';

/** Where a trained model comes from, as the command line gives it. */
export interface ModelOptions {
  /** A file, or the name of shipped weights. */
  readonly checkpoint?: string;
  /** The folder of a training run. */
  readonly run?: string;
}

export function withModelOptions(command: Command): Command {
  const names = shippedWeights();
  const shipped = names.length > 0 ? `, or shipped weights: ${names.join(', ')}` : '';
  return command
    .option('--checkpoint <file>', `a checkpoint or weights file${shipped}`)
    .option('--run <dir>', 'the folder of a training run');
}

/** @throws Error that lists what there is, when the choice names no file */
export function resolveCheckpoint({ checkpoint, run }: ModelOptions): string {
  if (checkpoint !== undefined && run !== undefined) {
    throw new Error('give either --checkpoint or --run, not both');
  }
  if (checkpoint !== undefined) return weightsFile(checkpoint);
  if (run === undefined) {
    throw new Error(
      `give --checkpoint FILE or --run DIR${listed('; shipped weights', shippedWeights())}`,
    );
  }
  const folder = new RunFolder(run);
  if (folder.hasCheckpoint()) return folder.checkpoint;
  throw new Error(`${run} has no checkpoint.safetensors: is it the folder of a training run?`);
}

/** What a model is called: as its run's folder, or as its file. */
export function modelName(checkpoint: string): string {
  const file = basename(checkpoint, '.safetensors');
  return file === 'checkpoint' ? basename(dirname(resolve(checkpoint))) : file;
}

/** A student that inverts the model's flow. */
export interface StudentOption {
  readonly student?: string;
}

/** @param use what the command does with the student */
export function withStudentOption(command: Command, use: string): Command {
  return command.option(
    '--student <file>',
    `a student of the model's flow, from \`farmer distill\`: ${use}`,
  );
}

/** Loads the student that the command line names, if it does. @throws Error for one of another model */
export async function studentOf(
  { student }: StudentOption,
  model: Farmer,
  checkpoint: Checkpoint,
): Promise<StudentFlow | undefined> {
  if (student === undefined) return undefined;
  return loadStudent(student, model, weightsHash(checkpoint.model));
}
