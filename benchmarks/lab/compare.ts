import { formatShape, tableRow } from './markdown.ts';
import type { Report } from './report.ts';

/** A Markdown table of how many times faster `b` is than `a`, row by row; rows of one report alone are named below. */
export function compareReports(a: Report, b: Report): string {
  const keyOf = ({ op, shape, variant }: Report['results'][number]): string =>
    `${op} ${formatShape(shape)}, ${variant}`;
  const others = new Map(b.results.map((result) => [keyOf(result), result]));
  const rows: string[] = [];
  const unmatched: string[] = [];
  for (const result of a.results) {
    const key = keyOf(result);
    const other = others.get(key);
    others.delete(key);
    if (!result.timing || !other?.timing) {
      unmatched.push(key);
      continue;
    }
    const [before, after] = [result.timing.median, other.timing.median];
    const times = [before, after].map((value) => value.toPrecision(3));
    rows.push(tableRow([key, ...times, (before / after).toFixed(2)]));
  }
  const alone = [...unmatched, ...others.keys()];
  const ceilings = [a, b].map(
    ({ ceiling }) =>
      `${ceiling.gflops.toPrecision(3)} GFLOP/s, ${ceiling.gbps.toPrecision(3)} GB/s`,
  );
  return [
    `a: ${a.device}, ${a.date}, ceiling ${ceilings[0]}`,
    `b: ${b.device}, ${b.date}, ceiling ${ceilings[1]}`,
    '',
    tableRow(['work, variant', 'a, ms', 'b, ms', 'b is faster by']),
    tableRow(['---', '---', '---', '---']),
    ...rows,
    ...(alone.length > 0 ? ['', `In one alone, or not timed: ${alone.join('; ')}`] : []),
  ].join('\n');
}
