import type { GuidanceName } from './guidances.ts';
import { rows, waysToDraw } from './rows.ts';
import type { Drawn, RunResult } from './run-result.ts';

/** A figure over seeds. */
export interface Summary {
  readonly mean: number;
  /** Sample standard deviation; undefined for a single seed. */
  readonly deviation: number | undefined;
  readonly count: number;
}

/** The figures of one row of the table: a model, and a way to draw from it. */
export interface RowSummary {
  readonly row: string;
  readonly guidance: GuidanceName;
  readonly seeds: number;
  readonly bitsPerDim: Summary;
  /** Mean over seeds of the standard error over test images. */
  readonly standardError: number;
  /** Undefined where no seed's model gave images. */
  readonly samples:
    Readonly<Record<keyof Exclude<Drawn, { failure: string }>, Summary>> | undefined;
  /** Why some seeds' models gave no images. */
  readonly failures: readonly string[];
}

/** @throws RangeError for no values */
export function summarise(values: readonly number[]): Summary {
  const count = values.length;
  if (count === 0) throw new RangeError('summarise: there are no values');
  const mean = values.reduce((a, b) => a + b, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : undefined, count };
}

/** Summaries in the rows' order; a row with several kinds of guidance has several. */
export function summariseRows(results: readonly RunResult[]): RowSummary[] {
  return Object.keys(rows).flatMap((row) => {
    const ofRow = results.filter((result) => result.row === row);
    const ways = waysToDraw(row).filter((way) => ofRow.some(({ drawn }) => way in drawn));
    return ways.map((guidance) => summariseRow(row, guidance, ofRow));
  });
}

function summariseRow(
  row: string,
  guidance: GuidanceName,
  results: readonly RunResult[],
): RowSummary {
  const drawn = results.flatMap(({ drawn }) => drawn[guidance] ?? []);
  const measured = drawn.flatMap((one) => ('failure' in one ? [] : [one]));
  const of = (name: keyof (typeof measured)[number]) => summarise(measured.map((one) => one[name]));
  return {
    ...{ row, guidance, seeds: results.length },
    bitsPerDim: summarise(results.map(({ bitsPerDim }) => bitsPerDim)),
    standardError: summarise(results.map(({ standardError }) => standardError)).mean,
    samples:
      measured.length === 0
        ? undefined
        : {
            frechetDistance: of('frechetDistance'),
            inceptionScore: of('inceptionScore'),
            precision: of('precision'),
            recall: of('recall'),
            classAccuracy: of('classAccuracy'),
            seconds: of('seconds'),
          },
    failures: drawn.flatMap((one) => ('failure' in one ? [one.failure] : [])),
  };
}

/** Whether two figures stand in the order that the paper found. */
export interface Order {
  readonly isAsInPaper: boolean;
  /**
   * Whether the difference is less than two standard errors of it, by the spread over seeds; undefined when one of the
   * two has a single seed.
   */
  readonly isWithinNoise: boolean | undefined;
}

/**
 * @param ours of a row and of the one it is compared with; lower is better
 * @param paper the paper's two figures
 */
export function compareOrder(
  ours: readonly [Summary, Summary],
  paper: readonly [number, number],
): Order {
  const [a, b] = ours;
  const difference = a.mean - b.mean;
  const isAsInPaper = Math.sign(difference) === Math.sign(paper[0] - paper[1]);
  if (a.deviation === undefined || b.deviation === undefined) {
    return { isAsInPaper, isWithinNoise: undefined };
  }
  const error = Math.sqrt(a.deviation ** 2 / a.count + b.deviation ** 2 / b.count);
  return { isAsInPaper, isWithinNoise: Math.abs(difference) < 2 * error };
}
