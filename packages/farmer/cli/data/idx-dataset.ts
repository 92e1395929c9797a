import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readIdx } from '../../src/data/idx.ts';
import { imageDataset, type ImageDataset } from '../../src/data/image-dataset.ts';
import { messageOf } from '../errors.ts';
import { describeReadError } from '../files/read-error.ts';

export type Split = 'train' | 'test';

/** MNIST's file names, which its successors kept. */
const FILE_PREFIX: Record<Split, string> = { train: 'train', test: 't10k' };

/**
 * Reads `<prefix>-images-idx3-ubyte` and `<prefix>-labels-idx1-ubyte` from a folder.
 *
 * @param suffix '.gz' for gzipped files.
 * @param remedy what to do if a file is missing, as the end of a sentence.
 */
export async function loadIdxDataset(
  name: string,
  folder: string,
  split: Split,
  classNames: readonly string[],
  suffix: '' | '.gz',
  remedy: string,
): Promise<ImageDataset> {
  const read = async (part: string, rank: number) => {
    const path = join(folder, `${FILE_PREFIX[split]}-${part}-ubyte${suffix}`);
    const bytes = await readFile(path).catch((error: unknown) => {
      const reason = describeReadError(error);
      throw new Error(`cannot read ${path}: ${reason}; ${remedy}`, { cause: error });
    });
    return readIdx(suffix === '.gz' ? gunzip(bytes, path) : bytes, rank, path);
  };
  const images = await read('images-idx3', 3);
  const labels = await read('labels-idx1', 1);
  const [, height, width] = images.shape as [number, number, number];
  return imageDataset({
    name,
    images: images.data,
    labels: labels.data,
    height,
    width,
    channels: 1,
    classNames,
  });
}

function gunzip(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new Error(`${path}: damaged gzip file (${messageOf(error)})`, { cause: error });
  }
}
