import type { Tensor } from '../../tensor.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Kernel, UniformType, WebGpuCapabilities } from '../kernel.ts';

/** What is baked into an attention kernel. A lane owns one query (or one key) and its head's values. */
export interface AttentionSource {
  /** vec4s that hold one head; the last one is padded with zeros where the head size is no multiple of 4. */
  readonly vectors: number;
  /** Heads are whole vec4s in memory. */
  readonly aligned: boolean;
  readonly causal: boolean;
  readonly hasPosition: boolean;
  readonly workgroupSize: number;
}

export interface AttentionSizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly heads: number;
}

export const attentionUniforms: Readonly<Record<string, UniformType>> = {
  count: 'u32',
  blocks: 'u32',
  heads: 'u32',
  size: 'u32',
  width: 'u32',
  queries: 'u32',
  keys: 'u32',
  scale: 'f32',
};

export function attentionSizes(q: Tensor, k: Tensor, heads: number): AttentionSizes {
  const [batch, queries, width] = q.shape as [number, number, number];
  return { batch, queries, keys: k.shape[1]!, width, heads };
}

export function attentionSource(
  capabilities: WebGpuCapabilities,
  { width, heads }: AttentionSizes,
  { causal }: AttentionParams,
  hasPosition: boolean,
): AttentionSource {
  const size = width / heads;
  return {
    vectors: Math.ceil(size / 4),
    aligned: size % 4 === 0,
    causal,
    hasPosition,
    workgroupSize: laneCount(capabilities),
  };
}

/** Software adapters run a workgroup as one vector register; no barriers, so any size is right. */
function laneCount({ adapterKind, subgroups }: WebGpuCapabilities): number {
  return adapterKind === 'software' ? (subgroups?.maxSize ?? 8) : 32;
}

/** Values of `attentionUniforms` and the number of workgroups, with one lane for each of `lanes` rows a head. */
export function attentionGrid(
  { batch, queries, keys, width, heads }: AttentionSizes,
  lanes: number,
  workgroupSize: number,
): { uniforms: number[]; count: number } {
  const blocks = Math.ceil(lanes / workgroupSize);
  const count = blocks * heads * batch;
  const size = width / heads;
  return {
    count,
    uniforms: [count, blocks, heads, size, width, queries, keys, 1 / Math.sqrt(size)],
  };
}

/** Lines for each vec4 of a head. */
export function eachVector({ vectors }: AttentionSource, line: (c: number) => string): string {
  return Array.from({ length: vectors }, (_, c) => line(c)).join('\n  ');
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

export const positionBinding = ({ hasPosition }: AttentionSource): Kernel['bindings'] =>
  hasPosition ? { position: 'read u32' } : {};

/** WGSL of `key_end(query)`: query i attends keys 0 … key_end(i) − 1. */
export function maskWgsl({ causal, hasPosition }: AttentionSource): string {
  const start = hasPosition ? 'position[0]' : '0';
  const end = causal ? `min(u.keys, ${start} + query + 1)` : 'u.keys';
  return `fn key_end(query: u32) -> u32 { return ${end}; }`;
}
