import type { Tensor } from '../../tensor.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import {
  memoizeKernel,
  type Kernel,
  type UniformType,
  type WebGpuCapabilities,
} from '../kernel.ts';

/** What is baked into an attention kernel. A lane owns one query (or one key) and its head's values. */
export interface AttentionSource {
  /** vec4s that hold one head; the last one is padded with zeros where the head size is no multiple of 4. */
  readonly vectors: number;
  /** Heads are whole vec4s in memory. */
  readonly aligned: boolean;
  readonly causal: boolean;
  readonly hasPosition: boolean;
  readonly workgroupSize: number;
  /** The workgroup is one subgroup, whose lanes load a row together and pass it round by broadcast. */
  readonly subgroup: boolean;
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
  const { adapterKind, subgroups } = capabilities;
  // Software adapters run a workgroup as one vector register.
  const lanes = adapterKind === 'software' ? (subgroups?.maxSize ?? 8) : 32;
  return {
    vectors: Math.ceil(size / 4),
    aligned: size % 4 === 0,
    causal,
    hasPosition,
    workgroupSize: lanes,
    subgroup: adapterKind === 'software' && subgroups?.minSize === lanes,
  };
}

/** Memoises a kernel factory by all that is baked in. */
export function memoizeAttention(make: (source: AttentionSource) => Kernel) {
  const memoized = memoizeKernel(
    (
      vectors: number,
      aligned: boolean,
      causal: boolean,
      hasPosition: boolean,
      workgroupSize: number,
      subgroup: boolean,
    ) => make({ vectors, aligned, causal, hasPosition, workgroupSize, subgroup }),
  );
  return (source: AttentionSource) =>
    memoized(
      source.vectors,
      source.aligned,
      source.causal,
      source.hasPosition,
      source.workgroupSize,
      source.subgroup,
    );
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

export const positionBinding = ({ hasPosition }: AttentionSource): Kernel['bindings'] =>
  hasPosition ? { position: 'read u32' } : {};

/** WGSL of `key_end(query)`: query i attends keys 0 … key_end(i) − 1. */
export function maskWgsl({ causal, hasPosition }: AttentionSource): string {
  const start = hasPosition ? 'position[0]' : '0';
  const end = causal ? `min(u.keys, ${start} + query + 1)` : 'u.keys';
  return `fn key_end(query: u32) -> u32 { return ${end}; }`;
}
