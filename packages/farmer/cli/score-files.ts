import { basename, extname, join } from 'node:path';
import { philoxUniforms } from '@farmer/tensor';
import { paddedSize } from '../src/dimensions.ts';
import { scoringMap } from '../src/evaluate.ts';
import type { PixelHistogram } from '../src/histogram.ts';
import type { Farmer } from '../src/model.ts';
import { scoreTokens, type TokenScores } from '../src/token-likelihood.ts';
import { writeChart } from './files/chart.ts';
import { heatMap } from './files/heat-map.ts';
import { imagePanel, panelFigure } from './files/panels.ts';
import { readImageFile } from './image-file.ts';

const PARTS = ['informative', 'redundant', 'logDet', 'pixels'] as const;
/** Screen pixels of a panel's longer side, about. */
const PANEL = 224;

export interface FileScore {
  readonly file: string;
  readonly bitsPerDim: number;
  readonly parts: Readonly<Record<(typeof PARTS)[number], number>>;
  /** Bits per dimension of each token, in raster order; their mean is the image's. */
  readonly tokens: Readonly<Record<keyof TokenScores, number[]>>;
  /** The picture of the tokens, if one was asked for. */
  readonly map?: string;
}

export interface FileScoring {
  readonly label: number;
  readonly draws: number;
  readonly seed: number;
  readonly resize?: boolean;
  /** Folder for a picture of each file's tokens. */
  readonly maps?: string | undefined;
}

/** Scores one PNG, averaged over draws of the dequantisation noise. */
export async function scoreFile(
  model: Farmer,
  histogram: PixelHistogram,
  file: string,
  { label, draws, seed, resize = false, maps }: FileScoring,
): Promise<FileScore> {
  const image = await readImageFile(file, model.config.image, resize);
  const map = scoringMap(model.config, histogram);
  const { tokens, values } = model.dimensions;
  const zeros = () => new Array<number>(tokens).fill(0);
  const mean = {
    ...{ total: zeros(), informative: zeros() },
    ...{ redundant: zeros(), logDet: zeros(), pixels: zeros() },
  };
  for (let draw = 0; draw < draws; draw++) {
    const noise = philoxUniforms(seed, 0, draw, values);
    const scores = await scoreTokens(model, map, { pixels: image, noise, labels: [label] });
    for (const [part, sums] of Object.entries(mean) as [keyof TokenScores, number[]][]) {
      scores[part].forEach((bits, i) => (sums[i]! += bits / draws));
    }
  }
  const parts = Object.fromEntries(PARTS.map((part) => [part, average(mean[part])]));
  const path = maps === undefined ? undefined : mapPath(maps, file);
  if (path !== undefined) await writeChart(path, tokenMaps(model, image, mean));
  return {
    ...{ file, bitsPerDim: average(mean.total), tokens: mean },
    parts: parts as FileScore['parts'],
    ...(path === undefined ? {} : { map: path }),
  };
}

/** Where the picture of a file's tokens goes. */
export function mapPath(folder: string, file: string): string {
  return join(folder, `${basename(file, extname(file))}.png`);
}

/** The image beside a heat map of its tokens' bits and of each part of them, as an SVG file's text. */
export function tokenMaps(
  { config }: Farmer,
  image: Uint8Array,
  tokens: Readonly<Record<keyof TokenScores, ArrayLike<number>>>,
): string {
  const { height, width } = paddedSize(config);
  const [rows, columns] = [height / config.patch, width / config.patch];
  const cell = Math.max(1, Math.round(PANEL / Math.max(rows, columns)));
  const scale = Math.max(1, Math.round(PANEL / Math.max(height, width)));
  const map = (title: string, part: keyof TokenScores, colours: 'sequential' | 'diverging') =>
    heatMap(tokens[part], { title, rows, columns, cell, colours, unit: 'bits/dim' });
  const grid = { images: image, ...config.image };
  return panelFigure(
    [
      imagePanel('image', grid, { columns: 1, scale }),
      map('all', 'total', 'sequential'),
      map('AR, informative', 'informative', 'sequential'),
      map('AR, redundant', 'redundant', 'sequential'),
      map('flow log-det', 'logDet', 'diverging'),
      map('pixel map', 'pixels', 'diverging'),
    ],
    3,
  );
}

const average = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;
