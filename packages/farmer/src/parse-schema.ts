import { z } from 'zod';
import { nearestMatch } from './nearest-match.ts';

/** A configuration that cannot be used: an unknown key, a value out of range, or parts that do not fit. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Checks a value that comes from outside against a schema.
 * @param source names it in errors
 * @throws ConfigError naming the first offending key, with the nearest known one
 */
export function parseSchema<Config>(
  schema: z.ZodType<Config>,
  value: unknown,
  source: string,
): Config {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConfigError(`${source}: ${describeIssue(schema, result.error.issues[0]!, value)}`);
}

function describeIssue(schema: z.ZodType, issue: z.core.$ZodIssue, config: unknown): string {
  if (issue.code !== 'unrecognized_keys') {
    const found = issue.path.reduce((value, key) => Object(value)[key] as unknown, config);
    const at = issue.path.join('.') || 'config';
    if (found === undefined) return `${at} is missing`;
    // JSON has no number that is not finite.
    const shown = typeof found === 'number' ? found : JSON.stringify(found);
    return `${at} is ${shown}: ${issue.message}`;
  }
  const key = issue.keys[0]!;
  const near = nearestMatch(key, keysAt(schema, issue.path));
  const dotted = (name: string) => `"${[...issue.path, name].join('.')}"`;
  return `unknown key ${dotted(key)}${near ? `; did you mean ${dotted(near)}?` : ''}`;
}

/** The keys that a schema knows at a path. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let inner: unknown = schema;
  for (const key of path) {
    if (inner instanceof z.ZodObject) inner = inner.shape[key as string];
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}
