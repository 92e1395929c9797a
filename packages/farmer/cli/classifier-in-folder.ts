import type { Device } from '@farmer/tensor';
import { Classifier, type ClassifierConfig } from '../src/classifier.ts';
import { ClassifierTrainer, type ClassifierTrainingConfig } from '../src/classifier-training.ts';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { readCheckpointFile, writeCheckpointFile } from './checkpoint-file.ts';
import { withFolderLock } from './folder-lock.ts';
import type { FolderRunOptions } from './folder-run-options.ts';
import type { Output } from './output.ts';
import { restoreRun } from './restore-run.ts';
import type { RunFolder } from './run-folder.ts';
import { runInFolder } from './run-in-folder.ts';
import { checkFingerprint, fingerprint } from './training-data.ts';

const KIND = { format: 'farmer-classifier-run', groups: ['classifier', 'optimizer'] } as const;

/** Everything that decides what a classifier's training computes. */
export interface ClassifierRun {
  /** A dataset's name, or a folder's path. */
  readonly data: string;
  readonly seed: number;
  readonly classifier: ClassifierConfig;
  readonly training: ClassifierTrainingConfig;
}

export interface ClassifierSession {
  readonly folder: RunFolder;
  readonly run: ClassifierRun;
  readonly dataset: ImageDataset;
  readonly device: Device;
  readonly output: Output;
  readonly options: FolderRunOptions;
}

export interface TrainedClassifier {
  readonly classifier: Classifier;
  /** Steps done; fewer than the run's after an interrupt, or with `until`. */
  readonly step: number;
  /** That they took, before and after interrupts. */
  readonly seconds: number;
}

/** Starts or continues the training of a folder, and leaves its checkpoint and metrics there. */
export function trainClassifierInFolder(session: ClassifierSession): Promise<TrainedClassifier> {
  return withFolderLock(session.folder.path, () => train(session));
}

async function train(session: ClassifierSession): Promise<TrainedClassifier> {
  const { folder, run, dataset, device, output, options } = session;
  const { steps, batch } = run.training;
  const classifier = new Classifier(run.classifier, run.seed);
  const trainer = new ClassifierTrainer(classifier, dataset, run.training, run.seed);
  output.line(`parameters  ${classifier.parameterCount()}`);
  let before = 0;
  await restoreRun({ folder, run, trainer, output, steps }, async () => {
    const { step, field, json, tensors } = await readCheckpointFile(folder.checkpoint, KIND);
    const remedy = 'choose another --run, or give the options of that run';
    folder.checkSameRun(json('run'), run, remedy);
    checkFingerprint(folder.checkpoint, run, field('fingerprint'), dataset);
    classifier.loadStateDict(tensors.classifier, folder.checkpoint);
    trainer.optimiser.loadStateDict(tensors.optimizer, folder.checkpoint);
    before = Number(field('seconds'));
    return step;
  });
  const start = performance.now();
  const seconds = () => Math.round(before + (performance.now() - start) / 1000);
  await runInFolder({
    ...{ folder, trainer, device, output, steps, batch, options },
    save: async () => {
      const metadata = {
        ...{ step: String(trainer.step), seconds: String(seconds()) },
        ...{ fingerprint: fingerprint(dataset), run: JSON.stringify(run) },
      };
      const groups = {
        classifier: await classifier.stateDict(),
        optimizer: await trainer.optimiser.stateDict(),
      };
      await writeCheckpointFile(folder.checkpoint, KIND, metadata, groups);
    },
  });
  const { step } = trainer;
  trainer.dispose();
  return { classifier, step, seconds: seconds() };
}
