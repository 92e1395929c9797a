import { encodeImageGrid, type GridImages, type GridOptions } from './image-grid.ts';

/** A picture in a figure. */
export interface Panel {
  readonly title: string;
  readonly png: Uint8Array;
  /** In screen pixels. */
  readonly width: number;
  readonly height: number;
  readonly caption?: string;
}

const GAP = 16;
const TITLE = 22;
const CAPTION = 20;
const TEXT = 'font-family="DejaVu Sans" font-size="12" text-anchor="middle"';

/** Images in a grid as a panel. */
export function imagePanel(
  title: string,
  grid: GridImages,
  options: GridOptions & { readonly columns: number; readonly scale: number },
): Panel {
  const { columns, scale, gap = scale } = options;
  const rows = Math.ceil(grid.images.length / (grid.height * grid.width * grid.channels) / columns);
  return {
    title,
    png: encodeImageGrid(grid, options),
    width: columns * (grid.width * scale + gap) - gap,
    height: rows * (grid.height * scale + gap) - gap,
  };
}

/**
 * Panels side by side with titles above and captions below, as the text of an SVG file.
 * @param columns panels a row (default: all in one)
 */
export function panelFigure(panels: readonly Panel[], columns = panels.length): string {
  const width = Math.max(...panels.map((panel) => panel.width));
  const height = Math.max(...panels.map((panel) => panel.height));
  const captioned = panels.some(({ caption }) => caption !== undefined) ? CAPTION : 0;
  const [cellWidth, cellHeight] = [width + GAP, TITLE + height + captioned + GAP];
  const rows = Math.ceil(panels.length / columns);
  const [fullWidth, fullHeight] = [columns * cellWidth + GAP, rows * cellHeight + GAP];
  const drawn = panels.map((panel, i) => {
    const left = GAP + (i % columns) * cellWidth + (width - panel.width) / 2;
    const top = GAP + Math.floor(i / columns) * cellHeight;
    const middle = left + panel.width / 2;
    const data = Buffer.from(panel.png).toString('base64');
    return [
      `<text x="${middle}" y="${top + 12}" ${TEXT} font-weight="bold">${escape(panel.title)}</text>`,
      `<image x="${left}" y="${top + TITLE}" width="${panel.width}" height="${panel.height}" image-rendering="optimizeSpeed" href="data:image/png;base64,${data}"/>`,
      `<text x="${middle}" y="${top + TITLE + panel.height + 15}" ${TEXT}>${escape(panel.caption ?? '')}</text>`,
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${fullWidth}" height="${fullHeight}" viewBox="0 0 ${fullWidth} ${fullHeight}">`,
    ...drawn,
    '</svg>',
  ].join('\n');
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
