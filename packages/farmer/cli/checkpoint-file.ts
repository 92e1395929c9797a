import {
  encodeSafetensors,
  SafetensorsError,
  type LoadedTensors,
  type SafetensorsContent,
  type SafetensorsInput,
} from '@farmer/nn';
import { writeFileAtomic } from './files/atomic-write.ts';
import { readSafetensorsFile } from './files/read-safetensors.ts';

const VERSION = '1';

/** A kind of checkpoint: safetensors with groups of tensors, told apart by the first part of their names. */
export interface CheckpointKind<Group extends string> {
  /** Its name in the file. */
  readonly format: string;
  readonly groups: readonly Group[];
}

export interface CheckpointContent<Group extends string> {
  /** Optimisation steps done. */
  readonly step: number;
  /** An empty map for a group that the file lacks. */
  readonly tensors: Readonly<Record<Group, LoadedTensors>>;
  /** @throws SafetensorsError naming the file, when it lacks the field */
  readonly field: (key: string) => string;
  readonly json: (key: string) => unknown;
}

/** Writes groups of tensors; the path holds the old file or all of the new one. */
export async function writeCheckpointFile<Group extends string>(
  path: string,
  { format }: CheckpointKind<Group>,
  metadata: Readonly<Record<string, string>> & { readonly step: string },
  groups: Readonly<Record<Group, Readonly<Record<string, SafetensorsInput>>>>,
): Promise<void> {
  const tensors = Object.entries<Readonly<Record<string, SafetensorsInput>>>(groups).flatMap(
    ([group, state]) =>
      Object.entries(state).map(([name, tensor]) => [`${group}.${name}`, tensor] as const),
  );
  const bytes = encodeSafetensors(Object.fromEntries(tensors), {
    ...{ format, version: VERSION },
    ...metadata,
  });
  await writeFileAtomic(path, bytes);
}

/** @throws SafetensorsError naming the file and what in it does not fit */
export async function readCheckpointFile<Group extends string>(
  path: string,
  kind: CheckpointKind<Group>,
): Promise<CheckpointContent<Group>> {
  const { tensors, metadata } = await readSafetensorsFile(path);
  const { field, json } = fieldsOf(metadata, path, kind.format);
  return { step: stepOf(field, path), tensors: grouped(tensors, kind.groups, path), field, json };
}

function fieldsOf(metadata: Readonly<Record<string, string>>, path: string, format: string) {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SafetensorsError(`${path}: ${problem}`, { cause });
  };
  const field = (key: string): string =>
    (Object.hasOwn(metadata, key) ? metadata[key] : undefined) ??
    fail(`metadata has no "${key}": this is no FARMER checkpoint`);
  const json = (key: string): unknown => {
    const text = field(key);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      return fail(`metadata "${key}" is no JSON`, error);
    }
  };
  if (field('format') !== format) {
    fail(`metadata "format" is "${metadata['format']}", expected "${format}"`);
  }
  if (field('version') !== VERSION) {
    fail(`format version "${metadata['version']}" is unknown, this program reads "${VERSION}"`);
  }
  return { field, json };
}

function stepOf(field: (key: string) => string, path: string): number {
  const text = field('step');
  const step = Number(text);
  if (!Number.isSafeInteger(step) || step < 0 || text.trim() === '') {
    throw new SafetensorsError(
      `${path}: metadata "step" is "${text}", expected a whole number from 0 up`,
    );
  }
  return step;
}

function grouped<Group extends string>(
  tensors: MutableTensors,
  groups: readonly Group[],
  path: string,
): Record<Group, LoadedTensors> {
  const result = {} as Record<Group, MutableTensors>;
  for (const group of groups) result[group] = new Map();
  for (const [name, tensor] of tensors) {
    const group = groups.find((prefix) => name.startsWith(`${prefix}.`));
    if (!group) {
      const prefixes = groups.map((prefix) => `"${prefix}."`).join(' or ');
      throw new SafetensorsError(
        `${path}: unexpected tensor "${name}": names start with ${prefixes}`,
      );
    }
    result[group].set(name.slice(group.length + 1), tensor);
  }
  return result;
}

type MutableTensors = SafetensorsContent['tensors'];
