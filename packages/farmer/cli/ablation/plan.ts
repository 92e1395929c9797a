import { join } from 'node:path';
import { parameterCounts, trainingCost } from '../../src/budget.ts';
import { parseConfig, type FarmerConfig } from '../../src/config.ts';
import { withStepCount, type RunConfig } from '../run-config.ts';
import { RunFolder } from '../run-folder.ts';
import { rows } from './rows.ts';

/** What all rows have alike: the operations of their training, or its steps. */
export type Budget = 'flops' | 'steps';

/** A row's model and what its training takes, whatever the seed. */
export interface PlannedRow {
  readonly name: string;
  readonly config: FarmerConfig;
  readonly parameters: number;
  /** Of the whole training. */
  readonly tflop: number;
}

/** One training of a row, in its own folder. */
export interface PlannedRun {
  readonly row: PlannedRow;
  readonly folder: RunFolder;
  readonly run: RunConfig;
}

/** @param base the full model's configuration, which sets the budget */
export function planRows(
  names: readonly string[],
  base: FarmerConfig,
  budget: Budget,
): PlannedRow[] {
  const perStep = (config: FarmerConfig) => trainingCost(config, config.training.batch).flops;
  const total = perStep(base) * base.training.steps;
  return names.map((name) => {
    const changed = parseConfig(
      { ...base, model: { ...base.model, ...rows[name]!.change(base.model) } },
      `row ${name}`,
    );
    const flops = perStep(changed);
    const steps = budget === 'steps' ? base.training.steps : Math.round(total / flops);
    const config = withStepCount(changed, Math.max(1, steps));
    const { total: parameters } = parameterCounts(config.model);
    return { name, config, parameters, tflop: (flops * config.training.steps) / 1e12 };
  });
}

/** All rows with the first seed, then all with the next: a table of one seed is there early. */
export function planRuns(
  planned: readonly PlannedRow[],
  { data, trainImages, seed }: RunConfig,
  seeds: number,
  path: string,
): PlannedRun[] {
  return Array.from({ length: seeds }, (_, i) => seed + i).flatMap((seed) =>
    planned.map((row) => ({
      row,
      folder: new RunFolder(join(path, row.name, `seed-${seed}`)),
      run: { data, trainImages, seed, config: row.config },
    })),
  );
}
