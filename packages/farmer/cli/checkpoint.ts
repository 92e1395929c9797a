import { z } from 'zod';
import { SafetensorsError, type LoadedTensors, type StateDict } from '@farmer/nn';
import type { ModelConfig } from '../src/config.ts';
import { dimensions } from '../src/dimensions.ts';
import type { PixelHistogram } from '../src/histogram.ts';
import { readCheckpointFile, writeCheckpointFile } from './checkpoint-file.ts';
import { packHistogram, unpackHistogram } from './packed-histogram.ts';
import { parseRunConfig, type RunConfig } from './run-config.ts';

const KIND = { format: 'farmer', groups: ['model', 'optimizer', 'histogram'] } as const;

/** What a checkpoint says of itself, and what it keeps of its training images: nothing else of them is needed to draw. */
export interface CheckpointInfo {
  readonly run: RunConfig;
  /** Optimisation steps done. */
  readonly step: number;
  /** Of the training images. */
  readonly fingerprint: string;
  readonly classNames: readonly string[];
  /** Of the training images, for the pixel map. */
  readonly histogram: PixelHistogram;
}

export interface Checkpoint extends CheckpointInfo {
  readonly path: string;
  readonly model: LoadedTensors;
  /** Absent in a file of weights alone. */
  readonly optimizer: LoadedTensors | undefined;
}

/** Writes `model.*`, `histogram.*` and, to train on, `optimizer.*` tensors; the path holds the old file or all of the new one. */
export async function writeCheckpoint(
  path: string,
  { run, step, fingerprint, classNames, histogram }: CheckpointInfo,
  model: StateDict,
  optimizer: StateDict = {},
): Promise<void> {
  const metadata = {
    ...{ step: String(step), fingerprint },
    ...{ run: JSON.stringify(run), classNames: JSON.stringify(classNames) },
  };
  const groups = { model, optimizer, histogram: packHistogram(histogram) };
  await writeCheckpointFile(path, KIND, metadata, groups);
}

/** @throws SafetensorsError or ConfigError naming the file and what in it does not fit */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { step, tensors, field, json } = await readCheckpointFile(path, KIND);
  const run = parseRunConfig(json('run'), `${path}: run`);
  const { model, optimizer } = tensors;
  checkModelSize(run.config.model, model, path);
  checkFinite(model, path);
  const histogram = unpackHistogram(tensors.histogram, run.config.model.image, path);
  const classNames = parseClassNames(json('classNames'), run.config.model.classes, path);
  return {
    ...{ path, run, step, fingerprint: field('fingerprint'), classNames, histogram },
    ...{ model, optimizer: optimizer.size > 0 ? optimizer : undefined },
  };
}

function parseClassNames(value: unknown, classes: number, path: string): string[] {
  const parsed = z.array(z.string()).length(classes).safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SafetensorsError(
    `${path}: metadata "classNames" is no list of ${classes} names, one for each class of the model`,
  );
}

/** A likelihood under weights that are not finite would be NaN, without a word. */
function checkFinite(model: LoadedTensors, path: string): void {
  for (const [name, { data }] of model) {
    if (data.every(Number.isFinite)) continue;
    throw new SafetensorsError(
      `${path}: tensor "model.${name}" holds values that are not finite: the file is damaged, or its training diverged`,
    );
  }
}

/** A configuration that lies must not allocate a model far larger than the file's own tensors. */
function checkModelSize(config: ModelConfig, model: LoadedTensors, path: string): void {
  const { tokens } = dimensions(config);
  const { flow, ar } = config;
  const transformer = ({ layers, width }: { layers: number; width: number }) =>
    layers * 12 * width ** 2;
  const arRows = tokens + config.conditionRepeat + config.classes + config.components;
  const least =
    flow.blocks * (transformer(flow) + tokens * flow.width) +
    (config.prior === 'ar' ? transformer(ar) + arRows * ar.width : 0);
  const held = [...model.values()].reduce((total, { data }) => total + data.length, 0);
  if (least > held) {
    throw new SafetensorsError(
      `${path}: its configuration describes a model of more than ${least} values, but its model.* tensors hold ${held}`,
    );
  }
}
