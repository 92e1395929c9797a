import type { ImageDataset } from '../src/data/image-dataset.ts';
import { scoreImages } from '../src/evaluate.ts';
import type { PixelHistogram } from '../src/histogram.ts';
import { quantile } from '../src/metrics/memorisation.ts';
import type { Farmer } from '../src/model.ts';
import { lineChart, type Curve } from './files/chart.ts';

const BINS = 60;

export interface SetScores {
  readonly name: string;
  readonly bitsPerDim: readonly number[];
}

export interface SetSummary {
  readonly name: string;
  readonly images: number;
  readonly mean: number;
  /** Quantiles of an image's bits per dimension. */
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** Bits per dimension of each image under no class, since another dataset's classes mean nothing to the model. */
export async function scoreSet(
  model: Farmer,
  histogram: PixelHistogram,
  dataset: ImageDataset,
  options: { readonly seed: number; readonly onProgress: (images: number) => void },
): Promise<SetScores> {
  const bitsPerDim: number[] = [];
  const settings = { seed: options.seed, unconditional: true };
  for await (const { index, score } of scoreImages(model, histogram, dataset, settings)) {
    bitsPerDim.push(score.total);
    if ((index + 1) % 250 === 0) options.onProgress(index + 1);
  }
  return { name: dataset.name, bitsPerDim };
}

export function summarise({ name, bitsPerDim }: SetScores): SetSummary {
  return {
    name,
    images: bitsPerDim.length,
    mean: bitsPerDim.reduce((a, b) => a + b, 0) / bitsPerDim.length,
    low: quantile(bitsPerDim, 0.05),
    median: quantile(bitsPerDim, 0.5),
    high: quantile(bitsPerDim, 0.95),
  };
}

/** Histograms of both sets over one scale, as an SVG file's text. */
export function comparisonChart(sets: readonly SetScores[], title: string): string {
  const all = sets.flatMap(({ bitsPerDim }) => bitsPerDim);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const width = (all.reduce((a, b) => Math.max(a, b), -Infinity) - low) / BINS || 1;
  const curves = sets.map(({ name, bitsPerDim }): Curve => {
    const counts = new Float64Array(BINS);
    for (const bits of bitsPerDim) counts[Math.min(BINS - 1, Math.floor((bits - low) / width))]!++;
    const points = Array.from(counts).flatMap((count, bin) => {
      const y = (100 * count) / bitsPerDim.length;
      return [bin, bin + 1].map((edge) => ({ x: low + edge * width, y }));
    });
    return { name, points };
  });
  return lineChart(curves, { title, x: 'bits/dim of an image', y: '% of images' });
}
