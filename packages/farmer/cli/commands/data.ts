import type { Command } from 'commander';
import pc from 'picocolors';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { fitHistogram, histogramBitsPerDim, trainingBitsPerDim } from '../../src/histogram.ts';
import { folderSize, imageSizeOption } from '../data-options.ts';
import { DATASET_NAMES } from '../data/load-dataset.ts';
import { messageOf } from '../errors.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { wholeNumber, withOutputOptions, withSeedOption, type OutputOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { imagesOfEveryClass } from '../preview.ts';
import { checkGrid, writeGrid } from '../sample-grid.ts';
import { loadSplit } from '../training-data.ts';

interface DataOptions extends OutputOptions {
  readonly seed: number;
  readonly data?: string;
  readonly imageSize?: number;
  readonly preview?: string;
  readonly columns?: number;
}

/** One line of the list: a dataset's figures, or why it is not there. */
type Listed =
  | {
      readonly name: string;
      readonly present: true;
      readonly train: number;
      readonly test: number;
      readonly shape: readonly [number, number, number];
      readonly classes: number;
      readonly histogramBitsPerDim: { readonly train: number; readonly test: number };
    }
  | { readonly name: string; readonly present: false; readonly reason: string };

export function addDataCommand(program: Command): void {
  const command = program
    .command('data')
    .description(
      'List the datasets: whether they are here, their sizes, and the bits/dim of independent pixels.',
    )
    .option(
      '--data <name|dir>',
      'only this dataset, or a folder with one sub-folder of PNGs a class, grey if every pixel is, else RGB',
    )
    .addOption(imageSizeOption())
    .option('--preview <file>', 'write a grid PNG with one row a class (of mnist without --data)')
    .option('--columns <n>', 'images a row of the preview (default: 10)', wholeNumber(1));
  withOutputOptions(withSeedOption(command), [
    'farmer data',
    'farmer data --data fashion-mnist --preview fashion.png',
    'farmer data --data ./my-images --preview mine.png',
  ]).action(async (options: DataOptions) => {
    const output = createOutput(options);
    checkOptions(options);
    if (options.preview) await checkWritable(options.preview, ['.png']);
    const chosen = options.data ? await load(options.data, options.imageSize) : undefined;
    const listed = chosen ? [describe(chosen, output)] : await listAll(output);
    if (options.preview) {
      const { train } = chosen ?? (await load('mnist'));
      await writePreview(options.preview, train, options, output);
    }
    output.result({ command: 'data', datasets: listed, preview: options.preview });
  });
}

/** @throws Error for an option that changes nothing without another */
function checkOptions({ data, imageSize, preview, columns }: DataOptions): void {
  if (columns !== undefined && preview === undefined) throw new Error('--columns needs --preview');
  if (imageSize !== undefined && data === undefined) {
    throw new Error('--image-size needs --data with a folder');
  }
}

interface Splits {
  readonly name: string;
  readonly train: ImageDataset;
  readonly test: ImageDataset;
}

async function load(name: string, imageSize?: number): Promise<Splits> {
  const size = folderSize(name, imageSize);
  const train = await loadSplit(name, 'train', size);
  return { name, train, test: await loadSplit(name, 'test', size) };
}

async function listAll(output: Output): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const name of DATASET_NAMES) {
    try {
      listed.push(describe(await load(name), output));
    } catch (error) {
      const reason = messageOf(error);
      output.line(`${name.padEnd(14)} ${pc.yellow('absent')}: ${reason}`);
      listed.push({ name, present: false, reason });
    }
  }
  return listed;
}

function describe({ name, train, test }: Splits, output: Output): Listed {
  const histogram = fitHistogram(train);
  const bits = {
    train: trainingBitsPerDim(histogram),
    test: histogramBitsPerDim(histogram, test),
  };
  const { height, width, channels, classes } = train;
  output.line(
    `${name.padEnd(14)} ${train.count} + ${test.count} images of ${height} × ${width} × ${channels}, ${classes} ${classes === 1 ? 'class' : 'classes'}; independent pixels: ${bits.train.toFixed(4)} bits/dim train, ${bits.test.toFixed(4)} test`,
  );
  return {
    ...{ name, present: true, train: train.count, test: test.count, classes },
    shape: [height, width, channels],
    histogramBitsPerDim: bits,
  };
}

async function writePreview(
  path: string,
  dataset: ImageDataset,
  { columns = 10, seed }: DataOptions,
  output: Output,
): Promise<void> {
  checkGrid(columns * dataset.classes, dataset, columns);
  await writeGrid(path, imagesOfEveryClass(dataset, columns, seed), dataset, columns);
  output.line(`preview        ${path}`);
}
