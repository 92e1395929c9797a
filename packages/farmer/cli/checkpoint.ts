import { readFile } from 'node:fs/promises';
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type LoadedTensors,
  type StateDict,
} from '@farmer/nn';
import { dimensions, type ModelConfig } from '../src/config.ts';
import { writeFileAtomic } from './files/atomic-write.ts';
import { parseRunConfig, type RunConfig } from './run-config.ts';

const FORMAT = 'farmer';
const VERSION = '1';

/** What a checkpoint says of itself. */
export interface CheckpointInfo {
  readonly run: RunConfig;
  /** Optimisation steps done. */
  readonly step: number;
  /** Of the training images. */
  readonly fingerprint: string;
}

export interface Checkpoint extends CheckpointInfo {
  readonly path: string;
  readonly model: LoadedTensors;
  /** Absent in a file of weights alone. */
  readonly optimizer: LoadedTensors | undefined;
}

/** Writes `model.*` and, to train on, `optimizer.*` tensors; the path holds the old file or all of the new one. */
export async function writeCheckpoint(
  path: string,
  { run, step, fingerprint }: CheckpointInfo,
  model: StateDict,
  optimizer: StateDict = {},
): Promise<void> {
  const tensors = { ...prefixed('model.', model), ...prefixed('optimizer.', optimizer) };
  const metadata = {
    format: FORMAT,
    version: VERSION,
    step: String(step),
    fingerprint,
    run: JSON.stringify(run),
  };
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/** @throws SafetensorsError or ConfigError naming the file and what in it does not fit */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new SafetensorsError(`cannot read ${path}: ${reason}`, { cause: error });
  });
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const info = parseMetadata(metadata, path);
  const model = new Map<string, { shape: number[]; data: Float32Array }>();
  const optimizer: typeof model = new Map();
  for (const [name, tensor] of tensors) {
    if (name.startsWith('model.')) model.set(name.slice('model.'.length), tensor);
    else if (name.startsWith('optimizer.')) optimizer.set(name.slice('optimizer.'.length), tensor);
    else
      throw new SafetensorsError(
        `${path}: unexpected tensor "${name}": names start with "model." or "optimizer."`,
      );
  }
  checkModelSize(info.run.config.model, model, path);
  return { ...info, path, model, optimizer: optimizer.size > 0 ? optimizer : undefined };
}

function parseMetadata(metadata: Readonly<Record<string, string>>, path: string): CheckpointInfo {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${path}: ${problem}`);
  };
  const field = (key: string): string =>
    (Object.hasOwn(metadata, key) ? metadata[key] : undefined) ??
    fail(`metadata has no "${key}": this is no FARMER checkpoint`);
  if (field('format') !== FORMAT) {
    fail(`metadata "format" is "${metadata['format']}", expected "${FORMAT}"`);
  }
  if (field('version') !== VERSION) {
    fail(`format version "${metadata['version']}" is unknown, this program reads "${VERSION}"`);
  }
  const step = Number(field('step'));
  if (!Number.isSafeInteger(step) || step < 0 || field('step').trim() === '') {
    fail(`metadata "step" is "${metadata['step']}", expected a whole number from 0 up`);
  }
  let run: unknown;
  try {
    run = JSON.parse(field('run'));
  } catch (error) {
    if (error instanceof SafetensorsError) throw error;
    fail('metadata "run" is no JSON');
  }
  return { run: parseRunConfig(run, `${path}: run`), step, fingerprint: field('fingerprint') };
}

/** A configuration that lies must not allocate a model far larger than the file's own tensors. */
function checkModelSize(config: ModelConfig, model: LoadedTensors, path: string): void {
  const { tokens } = dimensions(config);
  const { flow, ar } = config;
  const transformer = ({ layers, width }: { layers: number; width: number }) =>
    layers * 12 * width ** 2;
  const least =
    flow.blocks * (transformer(flow) + tokens * flow.width) +
    transformer(ar) +
    (tokens + config.conditionRepeat + config.classes + config.components) * ar.width;
  const held = [...model.values()].reduce((total, { data }) => total + data.length, 0);
  if (least > held) {
    throw new SafetensorsError(
      `${path}: its configuration describes a model of more than ${least} values, but its model.* tensors hold ${held}`,
    );
  }
}

function prefixed(prefix: string, state: StateDict): StateDict {
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [prefix + name, tensor] as const),
  );
}
