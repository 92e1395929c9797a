import type { ImageDataset } from '../src/data/image-dataset.ts';
import { fitHistogram, type PixelHistogram } from '../src/histogram.ts';
import { Farmer } from '../src/model.ts';
import { readCheckpoint, type Checkpoint } from './checkpoint.ts';
import { fingerprint, loadTrainingData } from './training-data.ts';
import { checkDataset } from './run-config.ts';

/** A model with its weights, and what it needs of its training images. */
export interface TrainedModel {
  readonly model: Farmer;
  readonly checkpoint: Checkpoint;
  readonly trainingData: ImageDataset;
  readonly histogram: PixelHistogram;
}

/**
 * Loads a checkpoint's model onto the default device. Its training images give the pixel map, so they must be the
 * same as in training.
 */
export async function loadTrainedModel(path: string): Promise<TrainedModel> {
  const checkpoint = await readCheckpoint(path);
  const { config } = checkpoint.run;
  const trainingData = await loadTrainingData(checkpoint.run, config.model.image);
  checkDataset(config, trainingData);
  checkFingerprint(checkpoint, trainingData);
  const model = new Farmer(config.model, checkpoint.run.seed);
  model.loadStateDict(checkpoint.model, path);
  return { model, checkpoint, trainingData, histogram: fitHistogram(trainingData) };
}

/** @throws Error when the training images are not those of the checkpoint */
export function checkFingerprint(
  { path, fingerprint: expected, run }: Checkpoint,
  dataset: ImageDataset,
): void {
  const found = fingerprint(dataset);
  if (found !== expected) {
    throw new Error(
      `${path} was trained on other images than "${run.data}" has now (fingerprint ${expected}, now ${found})`,
    );
  }
}
