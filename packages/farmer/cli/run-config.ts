import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ImageDataset } from '../src/data/image-dataset.ts';
import { checkDataset, ConfigError, parseConfig, type FarmerConfig } from '../src/config.ts';
import { preset } from '../src/presets.ts';
import { applyOverrides, mergeConfig } from './config-overrides.ts';
import { folderSize } from './data-options.ts';
import { describeReadError } from './files/read-error.ts';
import { loadTrainingData, type TrainingData } from './training-data.ts';

/** Everything that decides what a training run computes. */
export interface RunConfig extends TrainingData {
  readonly seed: number;
  readonly config: FarmerConfig;
}

/** The choices of the command line. */
export interface RunChoices {
  readonly preset: string;
  /** Path of a JSON file with the parts that differ from the preset, or of a run's config.json. */
  readonly config?: string | undefined;
  readonly data: string;
  readonly trainImages?: number | undefined;
  /** Scales the images of a folder to this height and width. */
  readonly imageSize?: number | undefined;
  readonly steps?: number | undefined;
  readonly set: readonly string[];
  readonly seed: number;
}

/**
 * The configuration of a run: the preset, fitted to the dataset, then the file's parts, `steps`, and `set`.
 * @throws ConfigError naming the key and the nearest known one
 */
export async function resolveRun(
  choices: RunChoices,
): Promise<{ run: RunConfig; dataset: ImageDataset }> {
  const { data, trainImages, imageSize, seed } = choices;
  const base = preset(choices.preset);
  const file = choices.config === undefined ? {} : await readConfigFile(choices.config);
  const dataset = await loadTrainingData({ data, trainImages }, folderSize(data, imageSize));
  const { height, width, channels, classes } = dataset;
  const fitted = { ...base, model: { ...base.model, image: { height, width, channels }, classes } };
  const withFile = parseConfig(
    mergeConfig(fitted, file),
    choices.config ?? `preset ${choices.preset} on ${data}`,
  );
  const withSteps = choices.steps === undefined ? withFile : withStepCount(withFile, choices.steps);
  const config = parseConfig(applyOverrides(withSteps, choices.set), '--set');
  checkDataset(config.model, dataset);
  return { run: { data, trainImages, seed, config }, dataset };
}

/** The parts of a configuration; of a run's config.json, those that describe the model and its training. */
async function readConfigFile(path: string): Promise<unknown> {
  const value = await readJson(path);
  return runSchema.safeParse(value).data?.config ?? value;
}

/** The same schedule for another number of steps: the warm-up shrinks with them, to a tenth at most, and never grows. */
export function withStepCount(config: FarmerConfig, steps: number): FarmerConfig {
  const { warmup: most, steps: before } = config.training;
  const warmup = Math.min(most, Math.round((most * steps) / before), Math.floor(steps / 10));
  return { ...config, training: { ...config.training, steps, warmup } };
}

const runSchema = z.strictObject({
  data: z.string(),
  trainImages: z.int().min(1).optional(),
  seed: z.int().min(0),
  config: z.unknown(),
});

/**
 * Checks a run's saved configuration.
 * @param source names it in errors
 */
export function parseRunConfig(value: unknown, source: string): RunConfig {
  const parsed = runSchema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new ConfigError(
      `${source}: ${[...path, message].join(': ')} (this is no configuration of a training run)`,
    );
  }
  return { ...parsed.data, config: parseConfig(parsed.data.config, source) };
}

/** @throws ConfigError naming the file, if it cannot be read or is no JSON object */
export async function readJson(path: string): Promise<unknown> {
  const fail = (error: unknown): never => {
    const reason = describeReadError(error);
    throw new ConfigError(`cannot read the configuration ${path}: ${reason}`, { cause: error });
  };
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    return fail(error);
  }
  return fail(new Error('expected a JSON object'));
}
