import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { axisLabels, readCurve, topAfterStart } from '../curves.ts';
import { removeUnfinishedWrites, writeFileAtomic } from '../files/atomic-write.ts';
import { dotChart, lineChart, writeChart } from '../files/chart.ts';
import type { PlannedRow, PlannedRun } from './plan.ts';
import { rows, waysToDraw } from './rows.ts';
import { gridOf, type RunResult } from './run-result.ts';
import { summariseRows, type RowSummary, type Summary } from './summary.ts';
import { formatTable, titleOf } from './table.ts';

export interface ReportContent {
  /** The folder to write. */
  readonly path: string;
  /** The settings, as sentences. */
  readonly description: readonly string[];
  /** As it would be typed again. */
  readonly command: string;
  readonly planned: readonly PlannedRow[];
  /** The runs that are done, and their figures. */
  readonly done: readonly { readonly run: PlannedRun; readonly result: RunResult }[];
}

/** Writes README.md with the table, results.json, the charts, and the sample grids of each row's first seed. */
export async function writeReport(content: ReportContent): Promise<RowSummary[]> {
  const { path, planned, done } = content;
  for (const folder of [path, join(path, 'samples')]) await removeUnfinishedWrites(folder);
  const summaries = summariseRows(done.map(({ result }) => result));
  await writeDots(join(path, 'bits-per-dim.png'), summaries);
  const hasFrechet = await writeFrechet(join(path, 'frechet.png'), summaries);
  await writeCurves(join(path, 'curves.png'), content);
  const grids = await copyGrids(content);
  const { description, command } = content;
  const record = { description, command, planned, results: done.map(({ result }) => result) };
  await writeFileAtomic(
    join(path, 'results.json'),
    `${JSON.stringify({ ...record, summaries }, undefined, 2)}\n`,
  );
  await writeFileAtomic(
    join(path, 'README.md'),
    readme(content, formatTable(summaries, planned), { grids, hasFrechet }),
  );
  return summaries;
}

interface Grid {
  readonly title: string;
  readonly file: string;
}

function readme(
  { description, command }: ReportContent,
  table: string,
  { grids, hasFrechet }: { grids: readonly Grid[]; hasFrechet: boolean },
): string {
  const parts = [
    '# Ablation',
    ...description,
    `Made by \`${command}\`.`,
    table,
    NOTES,
    '![Test bits/dim of each model](bits-per-dim.png)',
    ...(hasFrechet ? ['![Fréchet distance of each model](frechet.png)'] : []),
    '![Training curves](curves.png)',
    ...(grids.length > 0 ? ['## Samples', 'Of the first seed, one row a class.'] : []),
    ...grids.map(({ title, file }) => `**${title}**\n\n![${title}](${file})`),
  ];
  return `${parts.join('\n\n')}\n`;
}

const NOTES = `Figures are means ± standard deviations over seeds; *s.e.* is the standard error over test images, of the mean for one seed. Fréchet distance and inception score are of a small classifier's features: they compare with each other and not with the paper's, which are of Inception features on ImageNet. So the last columns compare orders: what the paper found, and whether it came out here. A difference is within the noise when it is less than two standard errors. Guidance has the paper's settings for its 1.1B model at patch 16 (table 6, w = 2.5), naive guidance as many candidates and the same w; bits/dim do not depend on it.`;

const dotsOf = (
  summaries: readonly RowSummary[],
  figure: (summary: RowSummary) => Summary | undefined,
) =>
  summaries.flatMap((summary) => {
    const found = figure(summary);
    if (!found || !Number.isFinite(found.mean)) return [];
    const isReference = summary.row === 'full' && summary.guidance === 'none';
    return [{ name: titleOf(summary), value: found.mean, error: found.deviation, isReference }];
  });

async function writeDots(path: string, summaries: readonly RowSummary[]): Promise<void> {
  const dots = dotsOf(
    summaries.filter(({ guidance }) => guidance === 'none'),
    ({ bitsPerDim }) => bitsPerDim,
  );
  if (dots.length === 0) return;
  const options = { title: 'Test bits/dim', x: 'bits/dim, mean ± standard deviation over seeds' };
  await writeChart(path, dotChart(dots, options));
}

async function writeFrechet(path: string, summaries: readonly RowSummary[]): Promise<boolean> {
  const dots = dotsOf(summaries, ({ samples }) => samples?.frechetDistance);
  if (dots.length === 0) return false;
  const x = 'Fréchet distance, mean ± standard deviation over seeds';
  await writeChart(path, dotChart(dots, { title: 'Fréchet distance of samples', x }));
  return true;
}

/** The curves of each row's first seed. */
async function writeCurves(path: string, content: ReportContent): Promise<void> {
  const curves = await Promise.all(
    firstSeeds(content).map(({ row, folder }) =>
      readCurve(folder.path, 'tflop', rows[row.name]!.title),
    ),
  );
  await writeChart(
    path,
    lineChart(curves, {
      ...{ title: 'bits/dim of training batches, first seed', x: axisLabels.tflop, y: 'bits/dim' },
      ...{ top: topAfterStart(curves), width: 1000 },
    }),
  );
}

async function copyGrids(content: ReportContent): Promise<Grid[]> {
  const grids: Grid[] = [];
  for (const { row, folder } of firstSeeds(content)) {
    for (const guidance of waysToDraw(row.name)) {
      const from = gridOf(folder, guidance);
      if (!existsSync(from)) continue;
      const file = `samples/${row.name}${guidance === 'none' ? '' : `-${guidance}`}.png`;
      await writeFileAtomic(join(content.path, file), await readFile(from));
      grids.push({ title: titleOf({ row: row.name, guidance }), file });
    }
  }
  return grids;
}

function firstSeeds({ planned, done }: ReportContent): PlannedRun[] {
  return planned.flatMap(({ name }) => done.find(({ run }) => run.row.name === name)?.run ?? []);
}
