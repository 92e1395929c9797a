import { scope, tensor, type Device } from '@farmer/tensor';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { paddedSize } from '../src/dimensions.ts';
import { pixelMap } from '../src/dequantize.ts';
import { Distiller } from '../src/distill.ts';
import type { StudentFlow } from '../src/student-flow.ts';
import { compareReverse, type ReverseComparison } from '../src/reverse-comparison.ts';
import type { DistillationRun } from './distillation-run.ts';
import { withFolderLock } from './folder-lock.ts';
import type { Output } from './output.ts';
import { restoreRun } from './restore-run.ts';
import type { RunFolder } from './run-folder.ts';
import { runInFolder } from './run-in-folder.ts';
import type { FolderRunOptions } from './folder-run-options.ts';
import { shellWord } from './shell-word.ts';
import { checkTeacher, readStudent, weightsHash, writeStudent } from './student-checkpoint.ts';
import type { TrainedModel } from './trained-model.ts';
import { checkFingerprint, fingerprint } from './training-data.ts';

export interface DistillationSession {
  readonly folder: RunFolder;
  readonly run: DistillationRun;
  readonly teacher: TrainedModel;
  readonly dataset: ImageDataset;
  /** Images to measure the student on. */
  readonly testImages: ImageDataset;
  readonly device: Device;
  readonly output: Output;
  readonly options: FolderRunOptions;
}

/** Starts or continues the distillation of a folder; leaves the student and its metrics there, and compares it with its teacher. */
export function distillInFolder(session: DistillationSession): Promise<void> {
  return withFolderLock(session.folder.path, () => distill(session));
}

async function distill(session: DistillationSession): Promise<void> {
  const { folder, run, teacher, dataset, device, output, options } = session;
  const { model, checkpoint } = teacher;
  const { histogram } = checkpoint;
  const { seed, distillation } = run;
  const [, sigma] = checkpoint.run.config.training.noise;
  const trainer = new Distiller(model, distillation, dataset, { histogram, sigma, seed });
  output.line(`parameters  ${trainer.student.parameterCount()}`);
  const before = await hashOf(model);
  await restore(session, trainer, before);
  const { steps, batch } = distillation;
  const { metrics, imagesPerSecond, isInterrupted } = await runInFolder({
    ...{ folder, trainer, device, output, steps, batch, options },
    save: async () => {
      const info = { run, step: trainer.step, fingerprint: fingerprint(dataset), teacher: before };
      const state = await trainer.student.stateDict();
      await writeStudent(folder.checkpoint, info, state, await trainer.optimiser.stateDict());
    },
  });
  const { step, student } = trainer;
  // The comparison has needs of its own.
  trainer.dispose();
  if (step < steps) output.line(`go on with  farmer distill --run-out ${shellWord(folder.path)}`);
  const reverse = isInterrupted ? undefined : await compare(session, student);
  const after = await hashOf(model);
  printHashes(output, before, after);
  if (step === steps) output.line(`next        ${measuring(run.teacher, folder)}`);
  output.result({
    ...{ command: 'distill', run: folder.path, checkpoint: folder.checkpoint, step, steps },
    ...{ loss: metrics?.loss, imagesPerSecond, reverse },
    teacher: { path: run.teacher, hashBefore: before, hashAfter: after },
  });
}

/** The command that compares images of teacher and student. */
const measuring = (teacher: string, folder: RunFolder) =>
  `farmer metrics --checkpoint ${shellWord(teacher)} --student ${shellWord(folder.checkpoint)}`;

const hashOf = async (model: TrainedModel['model']) =>
  weightsHash(new Map(Object.entries(await model.stateDict())));

/** Loads the folder's student, or begins the folder anew if it has none. */
async function restore(
  { folder, run, dataset, output }: DistillationSession,
  trainer: Distiller,
  teacher: string,
): Promise<void> {
  const { steps } = run.distillation;
  await restoreRun({ folder, run, trainer, output, steps }, async () => {
    const checkpoint = await readStudent(folder.checkpoint);
    const remedy = `choose another --run-out, or give --run-out ${shellWord(folder.path)} alone to go on with it`;
    // The teacher is known by its weights, wherever its file lies now.
    folder.checkSameRun({ ...checkpoint.run, teacher: run.teacher }, run, remedy);
    checkTeacher(checkpoint, teacher);
    checkFingerprint(folder.checkpoint, run, checkpoint.fingerprint, dataset);
    trainer.student.loadStateDict(checkpoint.student, folder.checkpoint);
    trainer.optimiser.loadStateDict(checkpoint.optimizer, folder.checkpoint);
    return checkpoint.step;
  });
}

/** Measures both inverses on the test images, each in the middle of its pixels' bins. */
async function compare(
  { teacher: { model, checkpoint }, testImages, output }: DistillationSession,
  student: StudentFlow,
): Promise<ReverseComparison> {
  const { images, channels, count } = testImages;
  const { height, width } = paddedSize(model.config);
  const middle = model.config.pixels === 'gaussian' ? 0 : 0.5;
  const noise = new Float32Array(count * model.dimensions.values).fill(middle);
  const { values } = pixelMap(model.config, checkpoint.histogram, 0).forward(images, noise);
  const x = scope(() => model.tokens(tensor(values, [count, height, width, channels])));
  const comparison = await compareReverse(model.flow, student, x);
  x.dispose();
  printComparison(output, comparison, testImages.name);
  return comparison;
}

function printComparison(
  output: Output,
  { images, teacher, student, speedup }: ReverseComparison,
  name: string,
): void {
  output.line(`reverse     of ${images} images of "${name}" at once, back to what the flow sees`);
  for (const [who, figures] of Object.entries({ teacher, student })) {
    const milliseconds = (1000 * figures.secondsAnImage).toPrecision(3);
    const [mean, largest] = [figures.meanSquaredError, figures.largestError].map((error) =>
      error.toExponential(2),
    );
    output.line(
      `  ${who.padEnd(10)}${milliseconds.padStart(8)} ms an image, mean squared error ${mean}, largest error ${largest}`,
    );
  }
  output.line(`  the student is ${speedup.toFixed(1)} times as fast`);
}

/** @throws Error when the teacher is not what it was */
function printHashes(output: Output, before: string, after: string): void {
  if (before !== after) {
    throw new Error(`distillation changed its teacher: weights' hash was ${before}, is ${after}`);
  }
  output.line(`teacher     unchanged: weights' hash ${before} before and after`);
}
