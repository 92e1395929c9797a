import { transposed } from './quads.ts';

/**
 * A slab of a factor in workgroup memory: `depth` steps of k by 4 · quads rows of a, or columns of b. Its vec4s run as
 * the factor is stored, along k or across it, so that each is stored whole: invocations that store components of one
 * vec4 would race, since WGSL lets such a store write the whole vector.
 */
export interface Slab {
  readonly name: string;
  readonly quads: number;
  readonly alongK: boolean;
  /** A vec4 of the factor at `at_k`, `at`. WGSL. */
  readonly load: string;
}

/** Steps of k in a slab. */
export const depth = 16;

const four = [0, 1, 2, 3] as const;

export const declareSlab = ({ name, quads }: Slab) =>
  `var<workgroup> ${name}: array<vec4f, ${depth * quads}>;`;

/** Fills a slab from `k` on, a vec4 an invocation at a time. */
export function fillSlab({ name, quads, alongK, load }: Slab, invocations: number): string {
  const [at, k, place] = alongK
    ? ['e / 4', 'e % 4 * 4', `(at % 4 * ${quads} + at / 4) * 4 + ${bank('(e % 4)', '(at / 4)')}`]
    : [`e % ${quads} * 4`, `e / ${quads}`, 'e'];
  return `for (var e = l; e < ${depth * quads}; e += ${invocations}) {
      let at = ${at};
      let at_k = k + ${k};
      ${name}[${place}] = ${load};
    }`;
}

/**
 * Statements that define `${value}${i}_${q}`, at the four steps i of k from 4 · `part` on: four rows or columns of an
 * invocation, from 4 · (`own` + 16q) on.
 */
export function readSlab(slab: Slab, value: string, own: string, ownQuads: number): string {
  const { name, quads, alongK } = slab;
  const each = Array.from({ length: ownQuads }, (_, q) => q);
  if (!alongK) {
    const first = `let ${value}_at = part * ${4 * quads} + ${own};`;
    const loads = each.flatMap((q) =>
      four.map((i) => `let ${value}${i}_${q} = ${name}[${value}_at + ${i * quads + 16 * q}];`),
    );
    return [first, ...loads].join('\n      ');
  }
  const first = `let ${value}_at = ${own} * 4 + ${bank('part', own)};`;
  const loads = each.flatMap((q) => [
    ...four.map(
      (j) => `let ${value}_${q}_${j} = ${name}[${value}_at + ${4 * (j * quads + 16 * q)}];`,
    ),
    ...four.map((i) => {
      const rows = four.map((j) => `${value}_${q}_${j}`);
      return `let ${value}${i}_${q} = ${transposed(rows, i)};`;
    }),
  ]);
  return [first, ...loads].join('\n      ');
}

/**
 * Which of a row's four vec4s along k comes at this place. Neighbouring invocations read rows four apart, which are
 * kept side by side, four vec4s each; permuted so, the vec4s that eight of them read lie in eight different banks.
 */
const bank = (part: string, quad: string) => `(${part} ^ (${quad} / 2 % 4))`;
