import type { Output } from './output.ts';
import type { RunFolder } from './run-folder.ts';

export interface RunToRestore {
  readonly folder: RunFolder;
  /** Everything that decides what the run computes. */
  readonly run: object;
  readonly trainer: { resumeAt(step: number): void };
  readonly output: Output;
  /** Of the whole run. */
  readonly steps: number;
}

/**
 * Goes on where a folder's checkpoint is, or begins the folder anew if it has none.
 * @param load reads the checkpoint, checks that it belongs to this run, and loads its state; returns its step
 */
export async function restoreRun(
  { folder, run, trainer, output, steps }: RunToRestore,
  load: () => Promise<number>,
): Promise<void> {
  if (!folder.hasCheckpoint()) {
    await folder.writeConfig(run);
    await folder.truncateMetrics(0);
    return;
  }
  const step = await load();
  trainer.resumeAt(step);
  await folder.truncateMetrics(step);
  output.line(`resuming    at step ${step} of ${steps}`);
}
