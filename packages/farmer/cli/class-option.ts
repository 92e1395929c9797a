import { nearestMatch } from '../src/nearest-match.ts';

/**
 * The label that a class's number or name stands for; "none" is the null class, one past the last.
 * @throws Error naming the classes that there are
 */
export function parseClass(text: string, classNames: readonly string[]): number {
  const last = classNames.length - 1;
  if (text === 'none') return classNames.length;
  const named = classNames.findIndex((name) => name.toLowerCase() === text.toLowerCase());
  if (named >= 0) return named;
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) {
    const label = Number(text);
    if (Number.isInteger(label) && label >= 0 && label <= last) return label;
    throw new Error(`--class ${text} is out of range: the model has classes 0 to ${last}`);
  }
  const near = nearestMatch(text, classNames);
  throw new Error(
    `--class "${text}" is no class of the model${near ? `; did you mean "${near}"?` : ''}: give 0 to ${last}, a name (${classNames.join(', ')}) or "none"`,
  );
}
