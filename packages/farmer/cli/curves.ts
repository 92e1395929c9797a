import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { trainingCost } from '../src/budget.ts';
import type { Curve } from './files/chart.ts';
import { RunFolder } from './run-folder.ts';

/** What a curve runs over: optimisation steps, or training operations in units of 10¹². */
export type CurveAxis = 'steps' | 'tflop';

export const axisLabels: Readonly<Record<CurveAxis, string>> = {
  steps: 'training steps',
  tflop: 'training operations (TFLOP)',
};

/** More points than a chart's width shows add nothing but noise. */
const POINTS = 150;

/**
 * The bits/dim that a run logged while it was trained: means of neighbouring lines, for at most 150 points.
 * @param path a run's folder
 * @throws Error when the folder holds no figures
 */
export async function readCurve(
  path: string,
  axis: CurveAxis,
  name = basename(resolve(path)),
): Promise<Curve> {
  const folder = new RunFolder(path);
  const text = await readFile(folder.metrics, 'utf8').catch((error: unknown) => {
    throw new Error(`${path} has no metrics.jsonl: is it the folder of a training run?`, {
      cause: error,
    });
  });
  const logged = text.split('\n').flatMap(parseLine);
  if (logged.length === 0) throw new Error(`${folder.metrics} holds no bits/dim yet`);
  const scale = axis === 'steps' ? 1 : await tflopPerStep(folder);
  return {
    name,
    points: averaged(logged, POINTS).map(({ x, y }) => ({ x: x * scale, y })),
  };
}

/** Where to cut a chart off, so that the first steps do not hide the rest: the highest value after 5 % of each curve. */
export function topAfterStart(curves: readonly Curve[]): number {
  const later = curves.flatMap(({ points }) => points.slice(Math.floor(points.length / 20)));
  return later.reduce((top, { y }) => Math.max(top, y), -Infinity);
}

async function tflopPerStep(folder: RunFolder): Promise<number> {
  const run = await folder.readConfig();
  if (!run) throw new Error(`${folder.path} has no config.json, which tells a step's operations`);
  return trainingCost(run.config, run.config.training.batch).flops / 1e12;
}

/** Empty for a line without a figure, or one that a killed process left half-written. */
function parseLine(line: string): { x: number; y: number }[] {
  try {
    const { step, bitsPerDim } = JSON.parse(line) as { step?: unknown; bitsPerDim?: unknown };
    return typeof step === 'number' && typeof bitsPerDim === 'number'
      ? [{ x: step, y: bitsPerDim }]
      : [];
  } catch {
    return [];
  }
}

/** Means of equally long stretches, each at its last x. */
function averaged(points: readonly { x: number; y: number }[], most: number) {
  const stretch = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) => {
    const part = points.slice(i * stretch, (i + 1) * stretch);
    return { x: part.at(-1)!.x, y: part.reduce((sum, { y }) => sum + y, 0) / part.length };
  });
}
