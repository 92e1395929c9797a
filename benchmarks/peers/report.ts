import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import type { Library } from './library.ts';
import type { Measurement, Timing } from './measure.ts';
import type { RunKind } from './workloads.ts';

export interface Report {
  readonly kind: RunKind;
  readonly command: string;
  readonly date: string;
  readonly node: string;
  readonly processor: string;
  readonly adapter?: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  /** Load average over one minute, before and after. */
  readonly load: readonly [number, number];
  readonly measurements: readonly Measurement[];
}

export function describeRun(kind: RunKind, libraries: readonly Library[], adapter?: string) {
  const manifest = readFileSync(new URL('package.json', import.meta.url), 'utf8');
  // They are pinned there.
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
  const [script, ...rest] = process.argv.slice(2);
  return {
    kind,
    command: ['npm run', script, ...(rest.length > 0 ? ['--', ...rest] : [])].join(' '),
    date: new Date().toISOString(),
    node: process.version,
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    ...(adapter === undefined ? {} : { adapter }),
    versions: dependencies,
    settings: Object.fromEntries(libraries.map(({ name, setting }) => [name, setting])),
  };
}

export const currentLoad = (): number => loadavg()[0]!;

/** Writes `NAME.json` and `NAME.md` to the folder. */
export function writeReport(folder: string, name: string, report: Report): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${folder}/${name}.md`, markdown(report));
}

function markdown(report: Report): string {
  const { kind, command, date, node, processor, adapter, versions, settings, load } = report;
  const facts = [
    `Run: \`${command}\`, ${date}, Node ${node}, ${processor}`,
    ...(adapter === undefined ? [] : [`Adapter: ${adapter}`]),
    `Load average: ${load.map((value) => value.toFixed(1)).join(' before, ')} after`,
    ...Object.entries(settings).map(([name, setting]) => `${name}: ${setting}`),
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  ];
  const rows = report.measurements.map((measurement) => row(measurement, report));
  return [
    `# Beside other libraries: ${kind}`,
    '',
    ...facts.map((fact) => `- ${fact}`),
    '',
    'Milliseconds of one run (median of the rounds; in brackets the processor time of all threads),',
    'and how many times longer than ours (median over the rounds, with quartiles).',
    'Above 1 means that we are faster.',
    '',
    `| work | ours | ${peers(report).join(' | ')} | against the faster [by processor time] | goal |`,
    `| --- | --- | ${peers(report)
      .map(() => '---')
      .join(' | ')} | --- | --- |`,
    ...rows,
    '',
  ].join('\n');
}

const peers = ({ settings }: Report): string[] => Object.keys(settings).slice(1);

function row({ workload, timings, failures }: Measurement, report: Report): string {
  const [first, ...others] = timings as [Timing, ...Timing[]];
  const cells = peers(report).map((name) => {
    const timing = others.find(({ library }) => library === name);
    if (!timing) return failures[name] ?? '—';
    const [low, median, high] = timing.ratio.map((value) => value.toFixed(2));
    return `${time(timing)}: **${median}** (${low}–${high})`;
  });
  const libraries = others.filter(({ library }) => library !== 'memory copy');
  const least = Math.min(...libraries.map(({ ratio }) => ratio[1]));
  const goal = workload.goal?.[report.kind];
  const byProcessor = Math.min(...libraries.map(({ processor }) => processor)) / first.processor;
  const nearest = libraries.length > 0 ? `${least.toFixed(2)} [${byProcessor.toFixed(2)}]` : '—';
  const verdict = goal === undefined ? '' : `${goal} ${least >= goal ? 'met' : 'missed'}`;
  const rate = rateOf(first, workload);
  return `| ${workload.name} | ${time(first)}${rate} | ${cells.join(' | ')} | ${nearest} | ${verdict} |`;
}

const time = ({ median, processor }: Timing): string =>
  `${median.toPrecision(3)} [${processor.toPrecision(3)}]`;

function rateOf({ median }: Timing, { flops, bytes }: Measurement['workload']): string {
  if (flops !== undefined) return `, ${(flops / median / 1e6).toPrecision(3)} GFLOP/s`;
  return bytes === undefined ? '' : `, ${(bytes / median / 1e6).toPrecision(3)} GB/s`;
}

/** One line of progress. */
export function formatProgress({ workload, timings, failures }: Measurement): string {
  const parts = timings.map(
    ({ library, median, processor, ratio }) =>
      `${library} ${median.toPrecision(3)} ms [${processor.toPrecision(3)}] ${ratio[1].toFixed(2)}×`,
  );
  const missing = Object.entries(failures).map(([name, reason]) => `${name} FAILED: ${reason}`);
  return `${workload.name}: ${[...parts, ...missing].join('; ')}`;
}
