import type { Evaluation } from '../src/evaluate.ts';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { histogramBitsPerDim, trainingBitsPerDim, type PixelHistogram } from '../src/histogram.ts';
import type { Output } from './output.ts';

/** Bits per dimension of the independent-pixel histogram: what a model that has learned anything stays below. */
export interface Baseline {
  /** On the images that the histogram was fitted to. */
  readonly train: number;
  /** On the images that were evaluated. */
  readonly evaluated: number;
}

export function histogramBaseline(histogram: PixelHistogram, evaluated: ImageDataset): Baseline {
  return {
    train: trainingBitsPerDim(histogram),
    evaluated: histogramBitsPerDim(histogram, evaluated),
  };
}

/** Prints an evaluation and its parts beside the baseline. */
export function printEvaluation(
  output: Output,
  { bitsPerDim, standardError, images, draws, parts }: Evaluation,
  baseline: Baseline,
  name: string,
): void {
  const part = (label: string, value: number) =>
    output.line(`  ${label.padEnd(20)} ${value.toFixed(4).padStart(9)}`);
  const error = images === 1 ? '' : ` ± ${standardError.toFixed(4)}`;
  output.line(
    `bits/dim    ${bitsPerDim.toFixed(4)}${error} on ${images} ${images === 1 ? 'image' : 'images'} of "${name}", ${draws} ${draws === 1 ? 'draw' : 'draws'} of noise each`,
  );
  part('informative tokens', parts.informative);
  part('redundant tokens', parts.redundant);
  part('flow log-det', parts.logDet);
  part('pixel map log-det', parts.pixels);
  output.line(
    `histogram   ${baseline.evaluated.toFixed(4)} on the same images, ${baseline.train.toFixed(4)} on the training images (independent pixels)`,
  );
}
