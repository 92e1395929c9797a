import { nearestMatch } from '../src/nearest-match.ts';

/**
 * The label of a class by its name, as written or else in any case, or by its number where no class has that for a name;
 * "none" is the null class, one past the last.
 * @throws Error naming the classes that there are
 */
export function parseClass(text: string, classNames: readonly string[]): number {
  const last = classNames.length - 1;
  if (text === 'none') return classNames.length;
  const inAnyCase = (name: string) => name.toLowerCase() === text.toLowerCase();
  const named = classNames.includes(text) ? text : classNames.find(inAnyCase);
  if (named !== undefined) return classNames.indexOf(named);
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
