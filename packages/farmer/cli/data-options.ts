import { Option } from 'commander';
import { DATASET_NAMES, type FolderOptions } from './data/load-dataset.ts';
import { wholeNumber } from './options.ts';

/** Larger images have more values than a model's histogram takes. */
const MAX_IMAGE_SIDE = 512;

/** --data, of commands that train. */
export function dataOption(): Option {
  const does = `${DATASET_NAMES.join(', ')}, or a folder of PNGs, grey if every pixel is`;
  return new Option('--data <name|dir>', does).default('mnist');
}

/** --image-size, of commands that read a folder of images. */
export function imageSizeOption(): Option {
  const does = "scale a folder's images to this height and width";
  return new Option('--image-size <n>', does).argParser(wholeNumber(1, MAX_IMAGE_SIDE));
}

/**
 * The size that --image-size scales a folder's images to.
 * @throws Error when `data` is a dataset with a size of its own
 */
export function folderSize(data: string, imageSize: number | undefined): FolderOptions['size'] {
  if (imageSize === undefined) return undefined;
  if (DATASET_NAMES.includes(data)) {
    throw new Error(
      `--image-size scales the images of a folder, and ${data} is none: leave it out`,
    );
  }
  return { height: imageSize, width: imageSize };
}
