import type { Kernel } from '../kernel.ts';
import { lines } from '../wgsl.ts';
import { positionBinding, type AttentionSource } from './source.ts';

/** Lines for each vec4 of a head. */
export function eachVector({ vectors }: AttentionSource, line: (c: number) => string): string {
  return lines(vectors, line);
}

/** Σ of products of two heads held as vec4s `x0…` and `y0…`. */
export function headDot({ vectors }: AttentionSource, x: string, y: string): string {
  const terms = Array.from({ length: vectors }, (_, c) => `${x}${c} * ${y}${c}`);
  return `dot(${terms.join(' + ')}, vec4f(1))`;
}

/**
 * Loads vec4 c of the head that starts at element `at`. Bindings of heads are vec4f where aligned, else f32
 * read one by one, with zeros past the head's end.
 */
export function headLoad(
  { aligned, vectors }: AttentionSource,
  array: string,
  at: string,
  c: number,
) {
  if (aligned) return `${array}[(${at}) / 4 + ${c}]`;
  const parts = [0, 1, 2, 3].map((i) => {
    const d = c * 4 + i;
    return c < vectors - 1 || i === 0
      ? `${array}[${at} + ${d}]`
      : `select(0, ${array}[${at} + min(${d}u, u.size - 1)], ${d}u < u.size)`;
  });
  return `vec4f(${parts.join(', ')})`;
}

/**
 * Declares `${name}${t}_${c}`, vec4 c of the head in row `first + t` of an array, for `block` rows that all lanes use.
 * Software adapters spend most on loads: there each lane loads one vec4 and broadcasts it.
 * @param rows where rows start (`at`, in elements) and the last row that may be read
 */
export function loadRows(
  source: AttentionSource,
  array: string,
  name: string,
  rows: { readonly at: string; readonly first: string; readonly last: string },
  block: number,
): string {
  const { vectors, subgroup, workgroupSize: lanes, aligned } = source;
  const { at, first, last } = rows;
  const start = (t: string) => `${at} + min(${first} + ${t}, ${last}) * u.width`;
  const lines: string[] = [];
  const values = Array.from({ length: block * vectors }, (_, i) => i);
  if (!subgroup) {
    for (const i of values) {
      const [t, c] = [Math.floor(i / vectors), i % vectors];
      if (c === 0) lines.push(`let ${name}_at${t} = ${start(`${t}u`)};`);
      lines.push(`let ${name}${t}_${c} = ${headLoad(source, array, `${name}_at${t}`, c)};`);
    }
    return lines.join('\n    ');
  }
  for (let g = 0; g * lanes < values.length; g++) {
    const own = `(${g * lanes}u + lane)`;
    lines.push(`let ${name}_at${g} = ${start(`${own} / ${vectors}`)};`);
    const d = `${own} % ${vectors} * 4`;
    const parts = [0, 1, 2, 3].map(
      (i) =>
        `select(0, ${array}[${name}_at${g} + min(${d} + ${i}, u.size - 1)], ${d} + ${i} < u.size)`,
    );
    const load = aligned
      ? `${array}[${name}_at${g} / 4 + ${own} % ${vectors}]`
      : `vec4f(${parts.join(', ')})`;
    lines.push(`let ${name}_own${g} = ${load};`);
  }
  for (const i of values) {
    const from = `subgroupBroadcast(${name}_own${Math.floor(i / lanes)}, ${i % lanes}u)`;
    lines.push(`let ${name}${Math.floor(i / vectors)}_${i % vectors} = ${from};`);
  }
  return lines.join('\n    ');
}

export const enableSubgroups = ({ subgroup }: AttentionSource) =>
  subgroup ? 'enable subgroups;' : undefined;

/** Stores vec4 c of a head. */
export function headStore(
  { aligned, vectors }: AttentionSource,
  array: string,
  at: string,
  c: number,
  value: string,
): string {
  if (aligned) return `${array}[(${at}) / 4 + ${c}] = ${value};`;
  return ['x', 'y', 'z', 'w']
    .map((part, i) => {
      const d = c * 4 + i;
      const guard = c < vectors - 1 || i === 0 ? '' : `if (${d}u < u.size) `;
      return `${guard}{ ${array}[${at} + ${d}] = (${value}).${part}; }`;
    })
    .join(' ');
}

export const headType = ({ aligned }: AttentionSource) =>
  aligned ? ('vec4f' as const) : ('f32' as const);

/** What a kernel of the forward pass reads and writes. */
export function forwardBindings(source: AttentionSource): Kernel['bindings'] {
  const type = headType(source);
  return {
    ...{ q: `read ${type}`, k: `read ${type}`, v: `read ${type}` },
    ...positionBinding(source),
    ...{ output: `write ${type}`, log_sums: 'write f32' },
  };
}
