import type { PlannedRow } from './plan.ts';
import { rows, type PaperFigure } from './rows.ts';
import { compareOrder, type RowSummary, type Summary } from './summary.ts';

/** A summary as "mean ± standard deviation", or the value of a single seed; a dash for what is not finite. */
export function formatSummary({ mean, deviation }: Summary, digits: number): string {
  if (!Number.isFinite(mean)) return '–';
  return deviation === undefined
    ? mean.toFixed(digits)
    : `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
}

/** The title of a row, with its guidance if it has one. */
export function titleOf({ row, guidance }: Pick<RowSummary, 'row' | 'guidance'>): string {
  const { title } = rows[row]!;
  return guidance === 'none' ? title : `${title}, ${guidance} guidance`;
}

/** A Markdown table with one line a row, and the reasons of those that gave no images below. */
export function formatTable(
  summaries: readonly RowSummary[],
  planned: readonly PlannedRow[],
): string {
  const lines = summaries.map((summary) => {
    const plan = planned.find(({ name }) => name === summary.row)!;
    return [
      titleOf(summary),
      ...modelCells(plan),
      ...figureCells(summary),
      ...paperCells(summary, summaries),
    ];
  });
  return [tableLines([HEADINGS, ...lines]), ...failureNotes(summaries)].join('\n');
}

const HEADINGS = [
  'model',
  'parameters',
  'steps',
  'seeds',
  'test bits/dim ↓',
  's.e.',
  'Fréchet ↓',
  'inception score ↑',
  'class accuracy ↑',
  'ms an image',
  'FID / IS in the paper',
  "the paper's order",
];

const modelCells = ({ parameters, config }: PlannedRow) => [
  parameters.toLocaleString('en-US'),
  config.training.steps.toLocaleString('en-US'),
];

function figureCells({ seeds, bitsPerDim, standardError, samples }: RowSummary): string[] {
  const drawn = samples
    ? [
        formatSummary(samples.frechetDistance, 2),
        formatSummary(samples.inceptionScore, 2),
        formatSummary(samples.classAccuracy, 3),
        formatSummary(scaled(samples.seconds, 1000), 1),
      ]
    : ['–', '–', '–', '–'];
  return [String(seeds), formatSummary(bitsPerDim, 4), standardError.toFixed(4), ...drawn];
}

function paperCells(summary: RowSummary, all: readonly RowSummary[]): [string, string] {
  const paper = rows[summary.row]!.paper?.[summary.guidance];
  if (!paper) return ['', ''];
  const score = paper.inceptionScore === undefined ? '' : ` / ${paper.inceptionScore}`;
  return [`${paper.fid}${score} (${paper.source})`, describeOrder(summary, paper, all)];
}

/** "worse than full (5.67): yes", with the figure that the paper compares with. */
function describeOrder(
  { samples }: RowSummary,
  { fid, against }: PaperFigure,
  all: readonly RowSummary[],
): string {
  const claim = `${fid > against.fid ? 'worse' : 'better'} than “${titleOf(against)}” (${against.fid})`;
  const reference = all.find(
    ({ row, guidance }) => row === against.row && guidance === against.guidance,
  );
  if (!samples || !reference?.samples) return `${claim}: not measured`;
  const { isAsInPaper, isWithinNoise } = compareOrder(
    [samples.frechetDistance, reference.samples.frechetDistance],
    [fid, against.fid],
  );
  const noise = isWithinNoise ? ', within the noise of the seeds' : '';
  const single = isWithinNoise === undefined ? ', one seed' : '';
  return `${claim}: ${isAsInPaper ? 'yes' : 'no'}${noise}${single}`;
}

function failureNotes(summaries: readonly RowSummary[]): string[] {
  return summaries.flatMap((summary) =>
    summary.failures.length === 0
      ? []
      : [
          '',
          `*${titleOf(summary)}*: ${summary.failures.length} of ${summary.seeds} seeds gave no images: ${summary.failures[0]!}.`,
        ],
  );
}

function tableLines(cells: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]) => `| ${row.map(escaped).join(' | ')} |`;
  const rule = cells[0]!.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(cells[0]!), `| ${rule.join(' | ')} |`, ...cells.slice(1).map(line)].join('\n');
}

const escaped = (text: string) => text.replaceAll('|', '\\|');

const scaled = ({ mean, deviation, count }: Summary, factor: number): Summary => ({
  ...{ mean: mean * factor, count },
  deviation: deviation === undefined ? undefined : deviation * factor,
});
