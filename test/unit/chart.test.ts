import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCurve, topAfterStart } from '../../packages/farmer/cli/curves.ts';
import {
  dotChart,
  lineChart,
  renderPng,
  checkChartPath,
  writeChart,
} from '../../packages/farmer/cli/files/chart.ts';

const curve = (name: string, lift: number) => ({
  name,
  points: Array.from({ length: 20 }, (_, x) => ({ x, y: lift + 1 / (x + 1) })),
});

/** How many pixels of a PNG in a box have a colour, each channel within 8. */
function pixelsOf(
  png: Uint8Array,
  colour: readonly [number, number, number],
  box = { left: 0, top: 0, right: Infinity, bottom: Infinity },
): number {
  const { data, width, height } = PNG.sync.read(Buffer.from(png));
  let found = 0;
  for (let y = box.top; y < Math.min(height, box.bottom); y++) {
    for (let x = box.left; x < Math.min(width, box.right); x++) {
      const at = 4 * (y * width + x);
      if (colour.every((value, c) => Math.abs(data[at + c]! - value) <= 8)) found++;
    }
  }
  return found;
}

const BLUE = [0x00, 0x72, 0xb2] as const;
const ORANGE = [0xd5, 0x5e, 0x00] as const;
const BLACK = [0, 0, 0] as const;

describe('a line chart', () => {
  const options = { title: 'Loss', x: 'steps', y: 'bits/dim', width: 500, height: 300 };
  const png = renderPng(lineChart([curve('low', 0), curve('high', 1)], options), 2);

  it('is a PNG of the scaled size with a line of each colour', () => {
    const { width, height } = PNG.sync.read(Buffer.from(png));
    expect([width, height]).toEqual([1000, 600]);
    expect(pixelsOf(png, BLUE)).toBeGreaterThan(500);
    expect(pixelsOf(png, ORANGE)).toBeGreaterThan(500);
  });

  it('shows the text of title, labels and legend', () => {
    const strips = { left: 0, top: 0, right: Infinity, bottom: 60 };
    expect(pixelsOf(png, BLACK, strips)).toBeGreaterThan(50);
    expect(pixelsOf(png, BLACK, { ...strips, top: 560, bottom: 600 })).toBeGreaterThan(50);
    expect(pixelsOf(png, BLACK, { left: 900, top: 90, right: 1000, bottom: 160 })).toBeGreaterThan(
      50,
    );
  });

  it('cuts off what lies above the top', () => {
    const cut = renderPng(
      lineChart([curve('low', 0), curve('high', 9)], { ...options, top: 1 }),
      2,
    );
    expect(pixelsOf(cut, BLUE)).toBeGreaterThan(500);
    // Nothing but the legend's stroke is left of the other.
    expect(pixelsOf(cut, ORANGE)).toBeLessThan(200);
  });

  it('gives each power of ten as much room on a logarithmic axis', () => {
    const points = [0.1, 10, 1000].map((x) => ({ x, y: x === 10 ? 1 : 0 }));
    const svg = lineChart([{ name: 'a', points }], { ...options, isLog: true });
    const labels = ['0.1', '1', '10', '100', '1000'].map((label) => {
      const place = new RegExp(`translate\\((-?[\\d.]+),[^>]*>${label}</text>`).exec(svg)!;
      return Number(place[1]);
    });
    const gaps = labels.slice(1).map((x, i) => x - labels[i]!);
    for (const gap of gaps) expect(gap).toBeCloseTo(gaps[0]!, 1);
  });

  it.each([
    ['a single point', [{ x: 1, y: 1 }]],
    ['a level line', [0, 1, 2].map((x) => ({ x, y: 1 }))],
    ['one x', [0, 1].map((y) => ({ x: 1, y }))],
  ])('draws %s', (_, points) => {
    const drawn = renderPng(lineChart([{ name: 'a', points }], options), 1);
    expect(PNG.sync.read(Buffer.from(drawn)).width).toBe(500);
  });

  it('needs a point', () => {
    expect(() => lineChart([{ name: 'none', points: [] }], options)).toThrow('no points');
  });
});

describe('a dot chart', () => {
  const dots = [
    { name: 'full', value: 1, error: 0.5, isReference: true },
    { name: 'other', value: 2, error: 0.5 },
  ];
  const draw = (list: typeof dots) => renderPng(dotChart(list, { title: 'T', x: 'x' }), 1);

  it('has a line a value, and bars as long as the errors', () => {
    const png = draw(dots);
    expect(PNG.sync.read(Buffer.from(png))).toMatchObject({ width: 800, height: 152 });
    const short = draw(dots.map((dot) => ({ ...dot, error: 0.01 })));
    expect(pixelsOf(png, BLUE)).toBeGreaterThan(pixelsOf(short, BLUE) + 100);
    expect(pixelsOf(png, ORANGE)).toBeGreaterThan(50);
  });
});

describe('curves of runs', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'farmer-curve-'));
    const lines = Array.from({ length: 301 }, (_, i) =>
      JSON.stringify({ step: 20 * (i + 1), loss: 0, bitsPerDim: i }),
    );
    await writeFile(join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n{"step": 9`);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('average neighbouring lines and skip one half-written', async () => {
    const { points } = await readCurve(folder, 'steps', 'run');
    expect(points).toHaveLength(101);
    expect(points[0]).toEqual({ x: 60, y: 1 });
    expect(points.at(-1)).toEqual({ x: 6020, y: 300 });
  });

  it('need a configuration to count operations', async () => {
    await expect(readCurve(folder, 'tflop')).rejects.toThrow('no config.json');
    await expect(readCurve(join(folder, 'no'), 'steps')).rejects.toThrow('no metrics.jsonl');
  });

  it('start below the first twentieth', () => {
    const points = Array.from({ length: 40 }, (_, x) => ({ x, y: 40 - x }));
    expect(topAfterStart([{ name: 'a', points }])).toBe(38);
  });

  it('are written as SVG or PNG', async () => {
    const svg = lineChart([curve('a', 0)], { title: 't', x: 'x', y: 'y' });
    await writeChart(join(folder, 'a.svg'), svg);
    expect(await readFile(join(folder, 'a.svg'), 'utf8')).toBe(svg);
    await writeChart(join(folder, 'a.png'), svg);
    expect((await readFile(join(folder, 'a.png'))).subarray(1, 4).toString()).toBe('PNG');
    await expect(checkChartPath('a.gif')).rejects.toThrow('.png or .svg');
  });
});
