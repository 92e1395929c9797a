import { ConfigError } from '../src/config.ts';
import { nearestMatch } from '../src/nearest-match.ts';

/**
 * Applies `--set key=value` options to a configuration; the result is still to be checked.
 * @param assignments such as "model.ar.width=96" or "training.betas=[0.9,0.99]"
 * @throws ConfigError for an unknown key, with the nearest known one
 */
export function applyOverrides(config: object, assignments: readonly string[]): unknown {
  const result = structuredClone(config);
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    if (at < 1) {
      throw new ConfigError(`--set ${assignment}: expected key=value, as in training.batch=64`);
    }
    assign(result, assignment.slice(0, at).trim(), parseValue(assignment.slice(at + 1)));
  }
  return result;
}

/** JSON where it is JSON, else the text itself: `cdf` needs no quotes. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text.trim();
  }
}

function assign(config: object, key: string, value: unknown): void {
  const path = key.split('.');
  const last = path.pop()!;
  let target: unknown = config;
  for (const part of path) target = isRecord(target) && own(target, part);
  if (!isRecord(target) || !Object.hasOwn(target, last)) {
    const near = nearestMatch(key, dottedKeys(config));
    throw new ConfigError(
      `--set ${key}: unknown key${near ? `; did you mean "${near}"?` : ''} (the config.json of any run shows all keys)`,
    );
  }
  target[last] = value;
}

/** Every key of a configuration, leaves and branches, by dotted path. */
export function dottedKeys(value: unknown, prefix = ''): string[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => [
    prefix + key,
    ...dottedKeys(child, `${prefix}${key}.`),
  ]);
}

/** `base` with the parts that `changes` names; objects merge, all else is replaced. Unknown keys stay, to be rejected. */
export function mergeConfig(base: unknown, changes: unknown): unknown {
  if (!isRecord(base) || !isRecord(changes)) return changes;
  const merged = Object.entries(changes).map(
    ([key, value]) => [key, mergeConfig(own(base, key), value)] as const,
  );
  return { ...base, ...Object.fromEntries(merged) };
}

/** "key: a, not b" for every leaf in which two configurations differ. */
export function configDifferences(saved: unknown, wanted: unknown, key = ''): string[] {
  if (isRecord(saved) && isRecord(wanted)) {
    const names = new Set([...Object.keys(saved), ...Object.keys(wanted)]);
    return [...names].flatMap((name) =>
      configDifferences(own(saved, name), own(wanted, name), key ? `${key}.${name}` : name),
    );
  }
  const [a, b] = [JSON.stringify(saved), JSON.stringify(wanted)];
  return a === b ? [] : [`${key} ${a ?? 'unset'}, not ${b ?? 'unset'}`];
}

/** The first differences, for an error's message; '' when there are none. */
export function describeDifferences(saved: unknown, wanted: unknown): string {
  const differences = configDifferences(saved, wanted);
  return differences.slice(0, 4).join('; ') + (differences.length > 4 ? '; …' : '');
}

function own(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
