/** Kernels and ops by what they belong to; the first that fits counts. */
const families: readonly (readonly [family: string, names: RegExp])[] = [
  ['matmul', /^matmul/],
  ['attention', /^attention/],
  ['Gaussian mixture', /^gaussianMixture/],
  ['flow map', /^affineFlow/],
  ['optimiser', /^(adamw|ema|globalNorm|sumOfSquares|clipScale)/],
  ['layer norm', /^(layer|rms)-?norm/i],
  ['pointwise', /^(map|add-?assign|assign|cast|fill)$/i],
  ['reductions', /^(reduce-|map-|mapReduce|sum|mean|max|logSumExp)/],
];

const familyOf = (name: string): string =>
  families.find(([, names]) => names.test(name))?.[0] ?? 'copies and embeddings';

/** Some milliseconds of work, by name. */
export interface Part {
  readonly name: string;
  readonly milliseconds: number;
}

/** What one family takes of a step. */
export interface FamilyTime {
  readonly family: string;
  readonly milliseconds: number;
  /** Of the sum of all families. */
  readonly share: number;
  readonly count: number;
  /** The same for each kernel or op, the longest first. */
  readonly kernels: readonly (Part & { readonly count: number })[];
}

/** Adds up the parts of a step by family, the longest first. */
export function byFamily(parts: readonly Part[]): FamilyTime[] {
  const total = totalOf(parts);
  return group(parts, ({ name }) => familyOf(name)).map(([family, own]) => ({
    family,
    milliseconds: totalOf(own),
    share: totalOf(own) / total,
    count: own.length,
    kernels: group(own, ({ name }) => name).map(([name, same]) => ({
      name,
      milliseconds: totalOf(same),
      count: same.length,
    })),
  }));
}

/** Milliseconds of all parts. */
export const totalOf = (parts: readonly Part[]): number =>
  parts.reduce((total, { milliseconds }) => total + milliseconds, 0);

/** Groups by a key, the longest first. */
function group(parts: readonly Part[], keyOf: (part: Part) => string): [string, Part[]][] {
  const groups = new Map<string, Part[]>();
  for (const part of parts) groups.set(keyOf(part), [...(groups.get(keyOf(part)) ?? []), part]);
  return [...groups].sort(([, a], [, b]) => totalOf(b) - totalOf(a));
}
