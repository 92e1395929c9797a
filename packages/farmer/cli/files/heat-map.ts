import { encodeImageGrid } from './image-grid.ts';
import type { Panel } from './panels.ts';

type Colour = readonly [red: number, green: number, blue: number];

/** Viridis at equal steps: dark is low, and order survives grey printing. */
const SEQUENTIAL: readonly Colour[] = [
  [68, 1, 84],
  [65, 68, 135],
  [42, 120, 142],
  [34, 168, 132],
  [122, 209, 81],
  [253, 231, 37],
];

/** Blue below zero, white at zero, red above. */
const DIVERGING: readonly Colour[] = [
  [5, 48, 97],
  [67, 147, 195],
  [247, 247, 247],
  [214, 96, 77],
  [103, 0, 31],
];

export interface HeatMapOptions {
  readonly title: string;
  readonly rows: number;
  readonly columns: number;
  /** Screen pixels a value's square has a side. */
  readonly cell: number;
  /** 'sequential' from the least value to the largest; 'diverging' with white at 0. */
  readonly colours?: 'sequential' | 'diverging';
  /** The values at the scale's ends (default: the data's). */
  readonly range?: readonly [low: number, high: number];
  /** Stands in the caption behind the range. */
  readonly unit?: string;
}

/** Values, row-major, as coloured squares with their range underneath. */
export function heatMap(values: ArrayLike<number>, options: HeatMapOptions): Panel {
  const { title, rows, columns, cell, colours = 'sequential', unit = '' } = options;
  const isDiverging = colours === 'diverging';
  const [low, high] = options.range ?? rangeOf(values, isDiverging);
  const palette = isDiverging ? DIVERGING : SEQUENTIAL;
  const images = new Uint8Array(3 * rows * columns);
  for (let i = 0; i < rows * columns; i++) {
    images.set(colourAt(palette, (values[i]! - low) / (high - low || 1)), 3 * i);
  }
  const grid = { images, height: rows, width: columns, channels: 3 };
  return {
    title,
    png: encodeImageGrid(grid, { columns: 1, scale: cell, gap: 0 }),
    width: columns * cell,
    height: rows * cell,
    caption: `${low.toFixed(2)} … ${high.toFixed(2)} ${unit}`.trim(),
  };
}

function rangeOf(values: ArrayLike<number>, isDiverging: boolean): readonly [number, number] {
  const all = Array.from(values);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const most = Math.max(-low, high);
  return isDiverging ? [-most, most] : [low, high];
}

/** @param at 0 … 1 along the palette; clipped */
function colourAt(palette: readonly Colour[], at: number): Colour {
  const place = Math.min(1, Math.max(0, at)) * (palette.length - 1);
  const before = Math.min(palette.length - 2, Math.floor(place));
  const mix = (c: 0 | 1 | 2) =>
    palette[before]![c] + (place - before) * (palette[before + 1]![c] - palette[before]![c]);
  return [mix(0), mix(1), mix(2)];
}
