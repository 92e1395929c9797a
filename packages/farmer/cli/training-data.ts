import { createHash } from 'node:crypto';
import { philoxPermutation } from '@farmer/tensor';
import { subset } from '../src/data/split.ts';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import type { FolderOptions, Split } from './data/load-dataset.ts';
import { loadDataset } from './data/load-dataset.ts';

/** The images that a run is trained on. */
export interface TrainingData {
  /** A dataset's name, or a folder's path. */
  readonly data: string;
  /** Use this many images only, drawn at random; all when absent. */
  readonly trainImages?: number | undefined;
}

export async function loadTrainingData(
  { data, trainImages }: TrainingData,
  size?: FolderOptions['size'],
): Promise<ImageDataset> {
  const dataset = await loadSplit(data, 'train', size);
  return trainImages === undefined ? dataset : drawImages(dataset, trainImages, '--train-images');
}

/** @param size that a folder's images are scaled to */
export function loadSplit(
  data: string,
  split: Split,
  size?: FolderOptions['size'],
): Promise<ImageDataset> {
  return loadDataset(data, split, size ? { size } : {});
}

/**
 * `count` images drawn at random, the same ones each time. The first ones may be of one class, and evenly spread ones of
 * one kind: MNIST's training images come from its two sources of writers by turns.
 * @param option names the limit in errors
 */
export function drawImages(dataset: ImageDataset, count: number, option: string): ImageDataset {
  if (count > dataset.count) {
    throw new Error(
      `${option} ${count} is more than the ${dataset.count} images of "${dataset.name}"`,
    );
  }
  if (count === dataset.count) return dataset;
  const order = philoxPermutation(dataset.count, 0, 0);
  return subset(dataset, order.subarray(0, count).sort());
}

/** A hash of all pixels and labels, by which a run knows its data again. */
export function fingerprint(dataset: ImageDataset): string {
  const hash = createHash('sha256').update(dataset.images).update(Uint16Array.from(dataset.labels));
  return hash.digest('hex').slice(0, 16);
}

/**
 * @param path of the checkpoint that has the fingerprint `expected`
 * @throws Error when a run's images are not those of its checkpoint
 */
export function checkFingerprint(
  path: string,
  { data }: Pick<TrainingData, 'data'>,
  expected: string,
  dataset: ImageDataset,
): void {
  const found = fingerprint(dataset);
  if (found === expected) return;
  throw new Error(
    `${path} was trained on other images than "${data}" has now (fingerprint ${expected}, now ${found})`,
  );
}
