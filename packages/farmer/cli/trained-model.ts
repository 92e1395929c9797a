import { checkDataset } from '../src/config.ts';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { Farmer } from '../src/model.ts';
import { readCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { Split } from './data/load-dataset.ts';
import { checkFingerprint, loadSplit, loadTrainingData } from './training-data.ts';

/** A model with its weights, and its checkpoint, which holds all that is needed of the training images. */
export interface TrainedModel {
  readonly model: Farmer;
  readonly checkpoint: Checkpoint;
}

/** Loads a checkpoint's model onto the default device. */
export async function loadTrainedModel(path: string): Promise<TrainedModel> {
  const checkpoint = await readCheckpoint(path);
  const { config } = checkpoint.run;
  const model = new Farmer(config.model, checkpoint.run.seed);
  model.loadStateDict(checkpoint.model, path);
  return { model, checkpoint };
}

/** @throws Error when they are not the images that the checkpoint was trained on, or are not here */
export async function loadTrainingImages(checkpoint: Checkpoint): Promise<ImageDataset> {
  const { config } = checkpoint.run;
  const dataset = await loadTrainingData(checkpoint.run, config.model.image);
  checkDataset(config.model, dataset);
  checkFingerprint(checkpoint.path, checkpoint.run, checkpoint.fingerprint, dataset);
  return dataset;
}

/**
 * A split of a dataset, by default of the one that the checkpoint was trained on. That one must be as it was: a folder
 * that changed is split anew, and its test images may have been trained on.
 */
export async function loadSplitFor(
  checkpoint: Checkpoint,
  data: string | undefined,
  split: Split,
): Promise<ImageDataset> {
  const { run } = checkpoint;
  const name = data ?? run.data;
  if (name === run.data) await loadTrainingImages(checkpoint);
  return loadSplit(name, split, run.config.model.image);
}
