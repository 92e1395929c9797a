import { classifyImages } from '../../src/classifier-training.ts';
import type { Classifier } from '../../src/classifier.ts';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { evaluate } from '../../src/evaluate.ts';
import type { PixelHistogram } from '../../src/histogram.ts';
import { measureSamples, type Reference } from '../../src/metrics/sample-metrics.ts';
import { Farmer } from '../../src/model.ts';
import type { SamplingOptions } from '../../src/sampler.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { messageOf } from '../errors.ts';
import type { Output } from '../output.ts';
import type { RunFolder } from '../run-folder.ts';
import { drawSamples, writeGrid } from '../sample-grid.ts';
import { gridOf, type Drawn, type Measuring, type RunResult } from './run-result.ts';

/** What every run is measured with. */
export interface Yardstick {
  readonly measuring: Measuring;
  readonly test: ImageDataset;
  readonly classifier: Classifier;
  readonly reference: Reference;
}

const MOST_GRID_COLUMNS = 10;

/**
 * Measures the model of a finished run, and leaves a grid of its images in the folder.
 * @param guidances ways to draw images, by name
 */
export async function measureRun(
  folder: RunFolder,
  row: string,
  guidances: Readonly<Record<string, SamplingOptions>>,
  yardstick: Yardstick,
  output: Output,
): Promise<RunResult> {
  const { measuring, test } = yardstick;
  const { run, step, histogram, model: weights } = await readCheckpoint(folder.checkpoint);
  const model = new Farmer(run.config.model, run.seed);
  try {
    model.loadStateDict(weights, folder.checkpoint);
    const { bitsPerDim, standardError } = await evaluate(model, histogram, test, {
      ...{ draws: measuring.draws, seed: run.seed },
      onProgress: (done) => output.status(`scored ${done} of ${test.count * measuring.draws}`),
    });
    const drawn: Record<string, Drawn> = {};
    const { seed } = run;
    const drawing = { model, histogram, folder, seed, yardstick, output };
    for (const [name, options] of Object.entries(guidances)) {
      drawn[name] = await draw(drawing, name, options);
    }
    return { measuring, row, seed, steps: step, bitsPerDim, standardError, guidances, drawn };
  } finally {
    model.dispose();
  }
}

interface Drawing {
  readonly model: Farmer;
  readonly histogram: PixelHistogram;
  readonly folder: RunFolder;
  readonly seed: number;
  readonly yardstick: Yardstick;
  readonly output: Output;
}

async function draw(
  { model, histogram, folder, seed, yardstick, output }: Drawing,
  name: string,
  options: SamplingOptions,
): Promise<Drawn> {
  const { measuring, classifier, reference } = yardstick;
  const { classes, image } = model.config;
  const labels = Array.from({ length: measuring.samples }, (_, i) => i % classes);
  const start = performance.now();
  let images: Uint8Array;
  try {
    images = await drawSamples(model, histogram, {
      ...{ labels, seed, options },
      onProgress: (done) => output.status(`drew ${done} of ${labels.length}, guidance ${name}`),
    });
  } catch (error) {
    // A model that was trained too little gives no images; the other rows must not suffer for it.
    return { failure: messageOf(error) };
  }
  const seconds = (performance.now() - start) / 1000 / labels.length;
  const columns = Math.min(MOST_GRID_COLUMNS, Math.ceil(labels.length / classes));
  const size = model.dimensions.imageValues;
  await writeGrid(gridOf(folder, name), byClass(images, size, classes, columns), image, columns);
  const classified = await classifyImages(classifier, images);
  return { ...measureSamples(classified, labels, reference), seconds };
}

/** The first `columns` images of each class, class by class, of images that go round the classes. */
function byClass(images: Uint8Array, size: number, classes: number, columns: number): Uint8Array {
  const grid = new Uint8Array(classes * columns * size).fill(255);
  for (let at = 0; at < classes * columns; at++) {
    const from = ((at % columns) * classes + Math.floor(at / columns)) * size;
    grid.set(images.subarray(from, from + size), at * size);
  }
  return grid;
}
