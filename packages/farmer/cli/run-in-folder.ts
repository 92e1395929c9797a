import type { Device } from '@farmer/tensor';
import type { StepMetrics } from '../src/captured-training.ts';
import { Interrupt } from './interrupt.ts';
import type { Output } from './output.ts';
import { compilingLine, Progress } from './progress.ts';
import type { FolderRunOptions } from './folder-run-options.ts';
import type { RunFolder } from './run-folder.ts';
import { SaveSchedule } from './save-schedule.ts';
import { runTraining, type Trainable } from './training-loop.ts';

export interface FolderRun<Metrics extends StepMetrics> {
  readonly folder: RunFolder;
  readonly trainer: Trainable<Metrics>;
  readonly device: Device;
  readonly output: Output;
  /** Of the whole run. */
  readonly steps: number;
  readonly batch: number;
  readonly options: FolderRunOptions;
  /** Writes the folder's checkpoint. */
  readonly save: () => Promise<void>;
  /** Runs after every step that is not the last. */
  readonly afterStep?: (step: number) => Promise<void>;
}

export interface FolderRunOutcome<Metrics> {
  /** Of the last window; undefined when there was no step to do. */
  readonly metrics: Metrics | undefined;
  readonly imagesPerSecond: number | undefined;
  readonly isInterrupted: boolean;
}

/**
 * Trains to the end, to `until`, or to the first interrupt, which becomes the process's exit code. Leaves metrics and a
 * checkpoint in the folder, and says so; or that there was no step to do.
 */
export async function runInFolder<Metrics extends StepMetrics>(
  run: FolderRun<Metrics>,
): Promise<FolderRunOutcome<Metrics>> {
  const { folder, trainer, output, steps, batch, options } = run;
  const until = Math.min(options.until ?? steps, steps);
  if (trainer.step >= until) {
    output.line(nothingToDo(run, until));
    return { metrics: undefined, imagesPerSecond: undefined, isInterrupted: false };
  }
  const progress = new Progress(output, { steps, batch });
  const interrupt = new Interrupt(() =>
    output.line('stopping after this step (interrupt again to stop at once)'),
  );
  try {
    const metrics = await trainUntil(run, until, progress, interrupt);
    progress.end(trainer.step);
    await run.save();
    output.line(`saved       ${folder.checkpoint} at step ${trainer.step} of ${steps}`);
    const { imagesPerSecond } = progress;
    return { metrics, imagesPerSecond, isInterrupted: interrupt.requested };
  } finally {
    interrupt.dispose();
    if (interrupt.requested) process.exitCode = interrupt.exitCode;
  }
}

function nothingToDo(
  { folder, trainer: { step }, steps }: FolderRun<StepMetrics>,
  until: number,
): string {
  const at = `${folder.checkpoint} is at step ${step} of ${steps}`;
  if (step >= steps) return `finished    ${at}: there is no step left to do`;
  return `unchanged   ${at}, and --until ${until} is no later step: give a later one, or none`;
}

async function trainUntil<Metrics extends StepMetrics>(
  { folder, trainer, device, output, options, save, afterStep }: FolderRun<Metrics>,
  until: number,
  progress: Progress,
  interrupt: Interrupt,
): Promise<Metrics | undefined> {
  const saves = new SaveSchedule({
    steps: options.checkpointSteps,
    seconds: options.checkpointSeconds,
  });
  let last: Metrics | undefined;
  await runTraining({
    ...{ trainer, device, until, logSteps: options.logSteps },
    onCompiled: compilingLine(output),
    onMetrics: async (metrics) => {
      last = metrics;
      progress.metrics(metrics);
      await folder.appendMetrics(metrics);
    },
    afterStep: async (step, settled) => {
      progress.step(step);
      if (saves.isDue(step)) {
        // A run that goes on from here must find the metrics of all steps before.
        await settled();
        await save();
        saves.saved();
      }
      await afterStep?.(step);
    },
    shouldStop: () => interrupt.requested,
  });
  return last;
}
