import type { Report } from './report.ts';

type Result = Report['results'][number];

export const formatShape = (shape: readonly number[]): string => shape.join(' × ');

const digits = (value: number | undefined): string =>
  value === undefined ? '' : value >= 1000 ? value.toFixed(0) : value.toPrecision(3);

const percent = (part: number | undefined, whole: number): string =>
  part === undefined ? '' : `${((100 * part) / whole).toFixed(0)} %`;

/** One row of a table, or of the terminal. */
export function cells(
  { variant, timing, wrong, gflops, gbps, kernels, first }: Result,
  { ceiling }: Pick<Report, 'ceiling'>,
): string[] {
  if (wrong !== undefined) return [variant, `WRONG: ${wrong}`];
  const shares = [percent(gflops, ceiling.gflops), percent(gbps, ceiling.gbps)];
  return [
    variant,
    digits(timing?.median),
    digits(timing?.gpu),
    digits(gflops),
    digits(gbps),
    ...shares,
    digits(first),
    [...new Set(kernels)].join(', '),
  ];
}

export const heads = [
  ...['variant', 'median ms', 'GPU ms', 'GFLOP/s', 'GB/s', 'of the FMA loop', 'of the copy'],
  ...['first call ms', 'kernels'],
];

export const tableRow = (columns: readonly string[]): string => `| ${columns.join(' | ')} |`;

/** The report as a page: the machine, then a table for each op and shape. */
export function markdown(report: Report): string {
  const { command, device, driver, node, processor, date, load, seconds, ceiling } = report;
  const facts = [
    `Run: \`${command}\`, ${date}, ${seconds} s a row`,
    `Device: ${device} (${driver})`,
    `Node ${node}, ${processor}, load average ${load.map((value) => value.toFixed(1)).join(' before, ')} after`,
    `Ceiling: ${digits(ceiling.gflops)} GFLOP/s (multiply-adds in registers), ${digits(ceiling.gbps)} GB/s (copy)`,
  ];
  const groups = new Map<string, Result[]>();
  for (const result of report.results) {
    const title = `## ${result.op} ${formatShape(result.shape)}`;
    groups.set(title, [...(groups.get(title) ?? []), result]);
  }
  const tables = [...groups].flatMap(([title, results]) => [
    title,
    '',
    tableRow(heads),
    tableRow(heads.map(() => '---')),
    ...results.map((result) => padRow(cells(result, report))),
    '',
  ]);
  return [
    `# Kernels on ${report.adapter}`,
    '',
    ...facts.map((fact) => `- ${fact}`),
    '',
    'Each variant is checked against the float64 reference before it is timed. A run replays a captured call;',
    'the median is by the clock, the GPU time by timestamps around each dispatch.',
    'GB/s counts the bytes of the inputs and the outputs alone.',
    '',
    ...tables,
  ].join('\n');
}

const padRow = (columns: readonly string[]): string =>
  tableRow(heads.map((_, i) => columns[i] ?? ''));
