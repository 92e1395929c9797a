import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Autotuner, type TuningChoices } from '../src/index.ts';
import { cacheRoot } from './unpack.ts';

/** Choices by adapter and driver. */
type TuningFile = Record<string, TuningChoices>;

/** The file that measured choices of kernel variants are kept in. */
export const tuningFile = (): string => join(cacheRoot(), 'autotune.json');

/**
 * A tuner whose choices for one adapter are kept on disk. A damaged file is reported and built anew, one that
 * cannot be written is reported.
 * @param adapter names the adapter, its driver and what else decides which variants it runs
 */
export function openTuner(adapter: string, file = tuningFile()): Autotuner {
  const kept = readFile(file, true);
  const known = Object.hasOwn(kept, adapter) ? kept[adapter]! : {};
  return new Autotuner(known, (choices) => {
    try {
      // Another process may have added other adapters, or other shapes of this one.
      const all = readFile(file);
      writeAtomically(file, { ...all, [adapter]: { ...all[adapter], ...choices } });
    } catch (error) {
      console.error(`autotune: cannot write ${file}: ${String(error)}`);
    }
  });
}

function readFile(file: string, warn = false): TuningFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (isTuningFile(parsed)) return parsed;
  } catch {
    // Reported below.
  }
  if (warn) console.error(`autotune: ${file} is damaged; its choices are measured anew`);
  return {};
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTuningFile = (value: unknown): value is TuningFile =>
  isRecord(value) &&
  Object.values(value).every(
    (choices) =>
      isRecord(choices) && Object.values(choices).every((choice) => typeof choice === 'string'),
  );

function writeAtomically(file: string, content: TuningFile): void {
  mkdirSync(dirname(file), { recursive: true });
  const scratch = `${file}.${randomUUID()}`;
  writeFileSync(scratch, `${JSON.stringify(content, null, 1)}\n`);
  renameSync(scratch, file);
}
