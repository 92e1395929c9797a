import type { Command } from 'commander';
import { guidancePresets } from '../src/guidance-presets.ts';
import { exactResampling } from '../src/guidance-resampling.ts';
import type { Guidance } from '../src/guidance.ts';
import { nearestMatch } from '../src/nearest-match.ts';
import { collect, numberFromZero } from './options.ts';

export interface GuidanceOptions {
  readonly guidance: string;
  readonly w?: number;
  readonly guidanceSet: readonly string[];
}

const KINDS = ['none', 'resampling', 'naive', ...Object.keys(guidancePresets)];
const NAIVE: Guidance = { kind: 'naive', weight: 1, tries: 64 };

/** Adds the options of classifier-free guidance. */
export function withGuidanceOptions(command: Command): Command {
  return command
    .option(
      '--guidance <kind>',
      `none, resampling (all temperatures 1), naive, or settings of the paper: ${Object.keys(guidancePresets).join(', ')}`,
      'none',
    )
    .option('--w <x>', "guidance weight (default: 1, or the paper's)", numberFromZero)
    .option(
      '--guidance-set <key=value>',
      `change one setting of the guidance, as in scale=0.9 (repeatable; ${Object.keys(exactResampling).slice(2).join(', ')}; naive: tries)`,
      collect,
      [],
    );
}

/** @throws Error for an unknown kind or key, with the nearest one, or a value out of place */
export function guidanceOf({
  guidance: kind,
  w,
  guidanceSet,
}: GuidanceOptions): Guidance | undefined {
  if (!KINDS.includes(kind)) {
    throw new Error(
      `--guidance ${kind} is unknown${suggestion(kind, KINDS)} (there are ${KINDS.join(', ')})`,
    );
  }
  if (kind === 'none') {
    if (w !== undefined || guidanceSet.length > 0) {
      throw new Error('--w and --guidance-set need --guidance resampling or naive');
    }
    return undefined;
  }
  const base: Guidance =
    kind === 'naive'
      ? NAIVE
      : kind === 'resampling'
        ? exactResampling
        : guidancePresets[kind as keyof typeof guidancePresets];
  const settings: Record<string, unknown> = { ...base };
  if (w !== undefined) settings.weight = w;
  for (const entry of guidanceSet) {
    const at = entry.indexOf('=');
    const [key, value] = at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    if (!Object.hasOwn(base, key) || key === 'kind') {
      const keys = Object.keys(base).filter((name) => name !== 'kind');
      throw new Error(
        `--guidance-set: unknown setting "${key}"${suggestion(key, keys)} (there are ${keys.join(', ')})`,
      );
    }
    settings[key] = key === 'weighing' ? parseWeighing(value) : parseNumber(key, value);
  }
  return settings as unknown as Guidance;
}

function parseWeighing(value: string): string {
  const known = ['algorithm', 'appendix', 'balance'];
  if (!known.includes(value))
    throw new Error(`--guidance-set weighing=${value}: expected ${known.join(', ')}`);
  return value;
}

function parseNumber(key: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new Error(`--guidance-set ${key}=${text}: expected a number`);
  }
  return value;
}

function suggestion(word: string, known: readonly string[]): string {
  const near = nearestMatch(word, known);
  return near ? `; did you mean "${near}"?` : '';
}
