import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../packages/farmer/src/config.ts';
import { preset } from '../../packages/farmer/src/presets.ts';
import { planRows } from '../../packages/farmer/cli/ablation/plan.ts';
import { parseRows, rows, waysToDraw } from '../../packages/farmer/cli/ablation/rows.ts';
import type { RunResult } from '../../packages/farmer/cli/ablation/run-result.ts';
import {
  compareOrder,
  summarise,
  summariseRows,
} from '../../packages/farmer/cli/ablation/summary.ts';
import { formatSummary, formatTable } from '../../packages/farmer/cli/ablation/table.ts';

const summary = (mean: number, deviation?: number, count = 3) => ({ mean, deviation, count });

describe('summaries over seeds', () => {
  it('are mean and sample standard deviation', () => {
    expect(summarise([1, 2, 6])).toEqual({ mean: 3, deviation: Math.sqrt(7), count: 3 });
    expect(summarise([4])).toEqual({ mean: 4, deviation: undefined, count: 1 });
    expect(() => summarise([])).toThrow(RangeError);
  });

  it('are written with their error, if there is one', () => {
    expect(formatSummary(summary(1.23456, 0.00321), 3)).toBe('1.235 ± 0.003');
    expect(formatSummary(summary(1.23456, undefined, 1), 2)).toBe('1.23');
    expect(formatSummary(summary(NaN, NaN), 2)).toBe('–');
  });
});

describe('orders', () => {
  it.each([
    // Differences against two standard errors of 0.1 · √(2 / 3) = 0.163.
    ['as in the paper', 2, 1, [5, 4], true, false],
    ['reversed', 1, 2, [5, 4], false, false],
    ['as in the paper, but near', 1.1, 1, [5, 4], true, true],
    ['reversed, but near', 1, 1.1, [5, 4], false, true],
    ['just clear of the noise', 1.17, 1, [5, 4], true, false],
    ['better, as in the paper', 1, 2, [4, 5], true, false],
  ] as const)('%s', (_, a, b, paper, isAsInPaper, isWithinNoise) => {
    const order = compareOrder([summary(a, 0.1), summary(b, 0.1)], paper);
    expect(order).toEqual({ isAsInPaper, isWithinNoise });
  });

  it('of single seeds have no known noise', () => {
    const order = compareOrder([summary(2, undefined, 1), summary(1, 0.1)], [5, 4]);
    expect(order).toEqual({ isAsInPaper: true, isWithinNoise: undefined });
  });
});

const drawn = (frechetDistance: number) => ({
  ...{ frechetDistance, inceptionScore: 9, precision: 0.5, recall: 0.5, classAccuracy: 0.9 },
  seconds: 0.004,
});

describe('the table', () => {
  const result = (row: string, seed: number, frechetDistance: number): RunResult => ({
    measuring: { testImages: 10, draws: 1, samples: 10, reference: 10, classifier: 'c' },
    ...{ row, seed, steps: 5, bitsPerDim: 1 + seed / 10, standardError: 0.02 },
    guidances: {},
    drawn: { none: drawn(frechetDistance) },
  });
  const guided = (row: string, resampling: number, naive = resampling): RunResult => ({
    ...result(row, 0, 20),
    drawn: { none: drawn(20), resampling: drawn(resampling), naive: drawn(naive) },
  });
  const failed = (row: string): RunResult => ({
    ...result(row, 0, 0),
    drawn: { none: { failure: 'not finite' } },
  });
  const names = ['full', 'no-final-permutation', 'jet', 'tarflow'];
  const planned = planRows(names, preset('tiny'), 'steps');
  const lines = (results: readonly RunResult[]) =>
    formatTable(summariseRows(results), planned).split('\n');

  it('has means, errors, the figures and the order of the paper', () => {
    const [heading, rule, full, other] = lines([
      ...[result('no-final-permutation', 0, 30), result('no-final-permutation', 1, 32)],
      ...[result('full', 0, 20), result('full', 1, 22)],
    ]);
    const cells = (line: string | undefined) => line!.split('|').length;
    expect([rule, full, other].map(cells)).toEqual(Array(3).fill(cells(heading)));
    expect(full).toContain('| full model |');
    expect(full).toContain('| 1.0500 ± 0.0707 | 0.0200 | 21.00 ± 1.41 |');
    expect(other).toContain('| 45.34 / 33.87 (table 3) |');
    expect(other).toContain('| worse than “full model” (44.56): yes |');
  });

  it('says when the order did not come out, or cannot be told', () => {
    const [, , , reversed] = lines([result('full', 0, 20), result('no-final-permutation', 0, 10)]);
    expect(reversed).toContain('(44.56): no, one seed |');
    const [, , alone] = lines([result('no-final-permutation', 0, 10)]);
    expect(alone).toContain('(44.56): not measured |');
    const failedLines = lines([failed('tarflow')]);
    expect(failedLines[2]).toContain('| – | – | – | – |');
    expect(failedLines.at(-1)).toBe(
      '*plain TARFlow: prior N(0, I)*: 1 of 1 seeds gave no images: not finite.',
    );
  });

  it('compares kinds of guidance as the paper does', () => {
    const [, , plain, naive, resampling, , jet] = lines([guided('full', 5, 4), guided('jet', 9)]);
    expect(plain).toContain('|  |  |');
    expect(naive).toContain('| 8.66 / 233.84 (table 3) |');
    expect(naive).toContain('worse than “full model, resampling guidance” (5.67): no, one seed |');
    expect(resampling).toContain('better than “full model” (44.56): yes, one seed |');
    expect(jet).toContain('worse than “full model, resampling guidance” (5.55): yes, one seed |');
  });
});

describe('rows', () => {
  it('are configurations that fit, and each differs from the full model in one way', () => {
    const base = preset('tiny');
    const planned = planRows(Object.keys(rows), base, 'steps');
    const models = new Set(planned.map(({ config }) => JSON.stringify(config.model)));
    expect(models.size).toBe(planned.length);
    for (const { config, name } of planned) expect(parseConfig(config, name)).toEqual(config);
    expect(planned[0]!.config).toEqual(base);
  });

  it('are compared with figures that are measured', () => {
    for (const [row, { paper = {} }] of Object.entries(rows)) {
      expect(waysToDraw(row)).toEqual(expect.arrayContaining(Object.keys(paper)));
      for (const { fid, against } of Object.values(paper)) {
        expect(waysToDraw(against.row)).toContain(against.guidance);
        expect(fid).not.toBe(against.fid);
      }
    }
  });

  it('train for equal operations, to half a step', () => {
    const base = preset('tiny');
    const [full, ...others] = planRows(Object.keys(rows), base, 'flops');
    for (const { tflop, config } of others) {
      const perStep = tflop / config.training.steps;
      expect(Math.abs(tflop - full!.tflop)).toBeLessThanOrEqual(perStep / 2 + 1e-9);
    }
    expect(new Set(others.map(({ config }) => config.training.steps)).size).toBeGreaterThan(3);
  });

  it('are chosen by name, in the order of the table', () => {
    expect(parseRows('jet, full')).toEqual(['full', 'jet']);
    expect(() => parseRows('ful')).toThrow('did you mean "full"?');
    expect(() => parseRows(' , ')).toThrow('names no row');
  });
});
