import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { packageFolder } from '../data/package-folder.ts';
import { checkWritable, writeFileAtomic } from './atomic-write.ts';

/** Okabe & Ito's colours, told apart with any colour vision, black last. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'];
const DASHES = ['none', '6,3', '2,2'];
const FONT = 'DejaVu Sans';
const LEGEND_LINE = 17;
/** Rough width of a letter at the charts' font size. */
const LETTER = 6.8;

interface Style {
  readonly colour: string;
  readonly dash: string;
}

/** One line of a chart. */
export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChartOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Whether x runs logarithmically, for curves of very different lengths. */
  readonly isLog?: boolean | undefined;
  /** Lines above are cut off. */
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}

/** A chart of lines with a legend at the right, as the text of an SVG file. */
export function lineChart(curves: readonly Curve[], options: LineChartOptions): string {
  const { title, x, y, isLog = false, width = 800, height = 480 } = options;
  const values = curves.flatMap(({ points }) => points.map((point) => point.y));
  if (values.length === 0) throw new Error(`chart "${title}": there are no points to draw`);
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const top = Math.min(high, options.top ?? high);
  const styles = curves.map((_, i) => styleOf(i));
  return svgOf({
    ...{ width, height, marginLeft: 60, marginRight: legendWidth(curves), marginTop: 48 },
    marginBottom: 44,
    x: {
      ...{ label: x, labelAnchor: 'center', labelArrow: 'none' },
      ...(isLog && { type: 'log', tickFormat: '~g', ticks: 6 }),
    },
    // Of equal values, the scale still needs an extent.
    y: {
      label: y,
      labelAnchor: 'center',
      labelArrow: 'none',
      grid: true,
      domain: [low, top > low ? top : low + 1],
    },
    marks: [
      Plot.frame({ stroke: '#bbb' }),
      titleMark(title),
      ...curves.map(({ points }, i) =>
        Plot.line(cutAt(points, top), {
          ...{ x: 'x', y: 'y', stroke: styles[i]!.colour, strokeWidth: 1.7 },
          strokeDasharray: styles[i]!.dash,
        }),
      ),
      ...curves.flatMap(({ name }, i) => legendEntry(name, i, styles[i]!)),
    ],
  });
}

/** A value with what it may be off by. */
export interface Dot {
  readonly name: string;
  readonly value: number;
  /** Half the error bar's length; without it, no bar. */
  readonly error?: number | undefined;
  /** Drawn in the second colour, to compare the others with. */
  readonly isReference?: boolean;
}

/** A chart of one dot a line with error bars, top to bottom, as the text of an SVG file. */
export function dotChart(
  dots: readonly Dot[],
  { title, x }: Pick<LineChartOptions, 'title' | 'x'>,
): string {
  if (dots.length === 0) throw new Error(`chart "${title}": there are no values to draw`);
  const longest = Math.max(...dots.map(({ name }) => name.length));
  const colour = ({ isReference = false }: Dot) => COLOURS[isReference ? 1 : 0]!;
  const bars = dots.filter(({ error }) => error !== undefined);
  return svgOf({
    ...{ width: 800, height: 100 + 26 * dots.length, marginLeft: 20 + LETTER * longest },
    ...{ marginTop: 48, marginBottom: 44, marginRight: 24 },
    x: { label: x, labelAnchor: 'center', labelArrow: 'none', grid: true, inset: 12 },
    y: { label: null, type: 'point', domain: dots.map(({ name }) => name), grid: true },
    marks: [
      Plot.frame({ stroke: '#bbb' }),
      titleMark(title),
      Plot.ruleX(
        dots.filter(({ isReference }) => isReference),
        { x: 'value', stroke: COLOURS[1], strokeDasharray: '3,3', strokeOpacity: 0.7 },
      ),
      Plot.ruleY(bars, {
        ...{ y: 'name', stroke: colour, strokeWidth: 2 },
        x1: ({ value, error }: Dot) => value - error!,
        x2: ({ value, error }: Dot) => value + error!,
      }),
      Plot.dot(dots, { x: 'value', y: 'name', fill: colour, r: 4.5 }),
    ],
  });
}

/** Writes an SVG file's text as it is where the path ends so, else as a PNG of twice its size. */
export async function writeChart(path: string, svg: string): Promise<void> {
  if (path.toLowerCase().endsWith('.svg')) return writeFileAtomic(path, svg);
  return writeFileAtomic(path, renderPng(svg, 2));
}

/** @throws Error, before long work, when a chart cannot be written to this path */
export async function checkChartPath(path: string): Promise<void> {
  await checkWritable(path, ['.png', '.svg']);
}

/** @param scale image pixels a chart unit */
export function renderPng(svg: string, scale: number): Uint8Array {
  const fonts = packageFolder('dejavu-fonts-ttf', 'run `npm install` to get it');
  const image = new Resvg(svg, {
    background: 'white',
    fitTo: { mode: 'zoom', value: scale },
    // The system's fonts differ from machine to machine, or are none.
    font: {
      loadSystemFonts: false,
      fontFiles: ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => join(fonts, 'ttf', file)),
      defaultFontFamily: FONT,
    },
  });
  return image.render().asPng();
}

function svgOf(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>');
  const style = { fontFamily: FONT, fontSize: '12px', color: 'black' };
  const svg = Plot.plot({ ...options, document, style });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return svg.outerHTML;
}

const titleMark = (title: string) =>
  Plot.text([title], {
    ...{ frameAnchor: 'top-left', textAnchor: 'start', dy: -34, fontWeight: 'bold', fontSize: 14 },
  });

/**
 * A curve with gaps where it lies above `top`, which it leaves and enters at that very height. (SVG's own clipping makes
 * the renderer panic when it hides all of a line.)
 */
function cutAt(points: Curve['points'], top: number): Curve['points'] {
  return points.flatMap((point, i) => {
    const kept = point.y <= top ? point : { x: point.x, y: NaN };
    const before = points[i - 1];
    if (!before || before.y <= top === point.y <= top) return [kept];
    const x = before.x + ((top - before.y) / (point.y - before.y)) * (point.x - before.x);
    return [{ x, y: top }, kept];
  });
}

function styleOf(index: number): Style {
  return {
    colour: COLOURS[index % COLOURS.length]!,
    dash: DASHES[Math.floor(index / COLOURS.length) % DASHES.length]!,
  };
}

const legendWidth = (curves: readonly Curve[]): number =>
  48 + LETTER * curves.reduce((longest, { name }) => Math.max(longest, name.length), 0);

/** A piece of line and a name, to the right of the frame. */
function legendEntry(name: string, index: number, { colour, dash }: Style): Plot.Markish[] {
  const at = { frameAnchor: 'top-right', dy: 8 + LEGEND_LINE * index } as const;
  return [
    Plot.vector([0], {
      ...{ ...at, dx: 20, rotate: 90, length: 20, shape: lineShape, anchor: 'middle' },
      ...{ stroke: colour, strokeWidth: 2, strokeDasharray: dash },
    }),
    Plot.text([name], { ...at, dx: 34, textAnchor: 'start', lineAnchor: 'middle' }),
  ];
}

/** A vector without an arrow's head. */
const lineShape: Plot.VectorShapeImplementation = {
  draw(context, length) {
    context.moveTo(0, 0);
    context.lineTo(0, -length);
  },
};
