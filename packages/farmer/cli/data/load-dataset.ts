import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { nearestMatch } from '../../src/nearest-match.ts';
import { loadFashionMnist } from './fashion-mnist.ts';
import { loadImageFolder, type FolderOptions } from './folder.ts';
import type { Split } from './idx-dataset.ts';
import { loadMnist } from './mnist.ts';
import { loadTwemoji } from './twemoji.ts';

export type { FolderOptions, Split };

const LOADERS: Record<string, (split: Split) => Promise<ImageDataset>> = {
  mnist: loadMnist,
  'fashion-mnist': loadFashionMnist,
  twemoji: loadTwemoji,
};

/** The names that `loadDataset` knows, beside paths. */
export const DATASET_NAMES: readonly string[] = Object.keys(LOADERS);

/**
 * Loads a dataset by its name, or any folder of PNGs by its path.
 *
 * @param nameOrPath a name in `DATASET_NAMES`, or a folder with one sub-folder a class. A folder of
 * the same name as a dataset is reached as `./name`.
 * @param options apply to folders only.
 */
export async function loadDataset(
  nameOrPath: string,
  split: Split,
  options: FolderOptions = {},
): Promise<ImageDataset> {
  const load = Object.hasOwn(LOADERS, nameOrPath) ? LOADERS[nameOrPath] : undefined;
  if (load) return load(split);
  if (/[/\\]/.test(nameOrPath) || existsSync(nameOrPath)) {
    return loadImageFolder(nameOrPath, split, options);
  }
  const near = nearestMatch(nameOrPath, DATASET_NAMES);
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  throw new Error(
    `unknown dataset "${nameOrPath}"${hint}: known are ${DATASET_NAMES.join(', ')}, or give the path of a folder with one sub-folder of PNGs a class (there is no ${resolve(nameOrPath)})`,
  );
}
