import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { imageDataset, type ImageDataset } from '../../src/data/image-dataset.ts';
import {
  boxScale,
  cropToAspect,
  isGrey,
  toGrey,
  toRgb,
  type Pixels,
} from '../../src/data/pixels.ts';
import { heldOutKeys } from '../../src/data/split.ts';
import { describeReadError } from '../files/read-error.ts';
import { readPng } from '../files/read-png.ts';
import type { Split } from './idx-dataset.ts';

const OTHER_IMAGES = ['.jpg', '.jpeg', '.webp', '.gif', '.bmp', '.tif', '.tiff', '.avif'];

export type FolderOptions = {
  /**
   * Height and width of every image. An image of another size is cropped at its centre to that
   * aspect ratio and then scaled. Without it all images must have one size. With 3 channels grey images become RGB, as
   * a model wants them that was trained on RGB ones.
   */
  readonly size?: {
    readonly height: number;
    readonly width: number;
    readonly channels?: number;
  };
};

/**
 * A folder with one sub-folder of PNGs for each class, in alphabetical order. If the folder holds
 * just `train` and `test`, these hold the classes; otherwise a tenth of each class, chosen by a hash
 * of the file names, is the test set. Grey if every pixel of both splits is, however the files store
 * it, else RGB.
 *
 * @throws Error naming the file that cannot be used.
 */
export async function loadImageFolder(
  path: string,
  split: Split,
  options: FolderOptions = {},
): Promise<ImageDataset> {
  const classes = await listClasses(path);
  const loaded: { path: string; label: number; held: boolean; pixels: Pixels }[] = [];
  for (const [label, { train, test }] of classes.entries()) {
    const files = [
      ...train.map((file) => ({ file, held: false })),
      ...test.map((file) => ({ file, held: true })),
    ];
    for (const { file, held } of files) {
      const pixels = fit(await readPng(file), options.size);
      const first = loaded[0];
      if (first && (pixels.height !== first.pixels.height || pixels.width !== first.pixels.width)) {
        throw new Error(
          `${file} is ${pixels.height} × ${pixels.width}, but ${first.path} is ${first.pixels.height} × ${first.pixels.width} (height × width): scale all images to one size, with --image-size`,
        );
      }
      loaded.push({ path: file, label, held, pixels });
    }
  }
  const isColoured = options.size?.channels === 3 || loaded.some(({ pixels }) => !isGrey(pixels));
  const [channels, convert] = isColoured ? [3, toRgb] : [1, toGrey];
  const chosen = loaded.filter(({ held }) => held === (split === 'test'));
  if (chosen.length === 0) {
    throw new Error(
      `${path} has no images to ${split}${split === 'test' ? ': a class needs 2 or more for one of them to be held out' : ' on'}`,
    );
  }
  return imageDataset({
    name: `${basename(resolve(path))} ${split}`,
    images: Buffer.concat(chosen.map(({ pixels }) => convert(pixels).data)),
    labels: chosen.map(({ label }) => label),
    height: loaded[0]!.pixels.height,
    width: loaded[0]!.pixels.width,
    channels,
    classNames: classes.map(({ name }) => name),
  });
}

function fit(image: Pixels, size: FolderOptions['size']): Pixels {
  if (!size || (image.height === size.height && image.width === size.width)) return image;
  return boxScale(cropToAspect(image, size.height, size.width), size.height, size.width);
}

type ClassFiles = { name: string; train: string[]; test: string[] };

async function listClasses(path: string): Promise<ClassFiles[]> {
  const names = await subFolders(path);
  if (names.length === 0) {
    throw new Error(`${path} has no sub-folders: expected one sub-folder of PNG files a class`);
  }
  if (names.join() === 'test,train') {
    const train = await subFolders(join(path, 'train'));
    const test = await subFolders(join(path, 'test'));
    const unknown = test.find((name) => !train.includes(name));
    if (unknown !== undefined) {
      throw new Error(
        `${join(path, 'test', unknown)} is a class that ${join(path, 'train')} lacks`,
      );
    }
    if (train.length > 0) {
      return Promise.all(
        train.map(async (name) => ({
          name,
          train: await listPngs(join(path, 'train', name)),
          test: test.includes(name) ? await listPngs(join(path, 'test', name)) : [],
        })),
      );
    }
  }
  return Promise.all(
    names.map(async (name) => {
      const files = await listPngs(join(path, name));
      const held = heldOutKeys(files.map((file) => basename(file)));
      const isHeld = (file: string) => held.has(basename(file));
      return { name, train: files.filter((f) => !isHeld(f)), test: files.filter(isHeld) };
    }),
  );
}

async function subFolders(path: string): Promise<string[]> {
  return (await list(path)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function listPngs(folder: string): Promise<string[]> {
  const names = (await list(folder)).map(({ name }) => name);
  const other = names.find((name) => OTHER_IMAGES.includes(extname(name).toLowerCase()));
  if (other !== undefined) {
    throw new Error(`${join(folder, other)} is not a PNG: convert it, only PNG files are read`);
  }
  const pngs = names.filter((name) => extname(name).toLowerCase() === '.png');
  if (pngs.length === 0) throw new Error(`${folder} holds no PNG files`);
  return pngs.map((name) => join(folder, name));
}

/** A folder's entries without hidden ones, sorted by code units: the same on every machine. */
async function list(path: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter(({ name }) => !name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A run keeps the path as it was given, relative to where it was started.
    const missing = code === 'ENOENT' ? `there is no ${resolve(path)}` : undefined;
    const reason = code === 'ENOTDIR' ? 'it is a file' : (missing ?? describeReadError(error));
    throw new Error(`cannot read the image folder ${path}: ${reason}`, { cause: error });
  }
}
