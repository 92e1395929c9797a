import type { Command } from 'commander';
import { positiveNumber, wholeNumber } from './options.ts';
import type { RunFolder } from './run-folder.ts';

/** When a run in a folder goes on, logs and saves, as the command line gives it. */
export interface FolderRunOptions {
  readonly resume?: boolean;
  /** Stop and save at this step. */
  readonly until?: number;
  readonly logSteps: number;
  readonly checkpointSteps: number;
  readonly checkpointSeconds: number;
}

export function withFolderRunOptions(command: Command): Command {
  return command
    .option('--until <step>', 'stop and save at this step, to go on later', wholeNumber(1))
    .option('--resume', 'go on from the checkpoint; an error if there is none')
    .option('--log-steps <n>', 'log metrics every n steps', wholeNumber(1), 20)
    .option('--checkpoint-steps <n>', 'save every n steps', wholeNumber(1), 1000)
    .option('--checkpoint-seconds <s>', 'and save after this many seconds', positiveNumber, 60);
}

/** @throws Error for --resume in a folder without a checkpoint */
export function checkResume({ resume = false }: FolderRunOptions, folder: RunFolder): void {
  if (resume && !folder.hasCheckpoint()) {
    throw new Error(`--resume: ${folder.path} has no checkpoint.safetensors to go on from`);
  }
}
