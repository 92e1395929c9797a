import type { Tensor } from '../../tensor.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import {
  fixedSubgroupSize,
  type Kernel,
  type UniformType,
  type WebGpuCapabilities,
} from '../kernel.ts';
import { lines } from '../wgsl.ts';

/** What is baked into an attention kernel. A lane owns a query or two (or keys) and their head's values. */
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
  /** Queries (or keys) of a lane: each row that is loaded serves them all. */
  readonly rowsPerLane: number;
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

/** Heads of more vec4s leave a lane no room for a second row, and take drivers seconds to compile. */
const mostVectorsOfTwoRows = 8;

export function attentionSource(
  capabilities: WebGpuCapabilities,
  { queries, keys, width, heads }: AttentionSizes,
  { causal }: AttentionParams,
  hasPosition: boolean,
): AttentionSource {
  const size = width / heads;
  const { adapterKind, subgroups } = capabilities;
  // Software adapters run a workgroup as one vector register.
  const lanes = adapterKind === 'software' ? (subgroups?.maxSize ?? 8) : 32;
  const subgroup = adapterKind === 'software' && fixedSubgroupSize(capabilities) !== undefined;
  const vectors = Math.ceil(size / 4);
  const aligned = size % 4 === 0;
  const two =
    subgroup && aligned && vectors <= mostVectorsOfTwoRows && Math.min(queries, keys) >= 2 * lanes;
  return {
    vectors,
    aligned,
    causal,
    hasPosition,
    workgroupSize: lanes,
    subgroup,
    rowsPerLane: two ? 2 : 1,
  };
}

/** Values of `attentionUniforms` and the number of workgroups, whose lanes own `rows` queries (or keys) of each head. */
export function attentionGrid(
  { batch, queries, keys, width, heads }: AttentionSizes,
  rows: number,
  source: AttentionSource,
): { uniforms: number[]; count: number } {
  const blocks = Math.ceil(rows / rowsPerWorkgroup(source));
  const count = blocks * heads * batch;
  const size = width / heads;
  return {
    count,
    uniforms: [count, blocks, heads, size, width, queries, keys, 1 / Math.sqrt(size)],
  };
}

export const rowsPerWorkgroup = ({ workgroupSize, rowsPerLane }: AttentionSource): number =>
  workgroupSize * rowsPerLane;

/** Lines for each of a lane's rows. */
export function eachRow({ rowsPerLane }: AttentionSource, line: (i: number) => string): string {
  return lines(rowsPerLane, line);
}

export const positionBinding = ({ hasPosition }: AttentionSource): Kernel['bindings'] =>
  hasPosition ? { position: 'read u32' } : {};

/** The start of `fn main`: which head of which batch element the workgroup serves, and the first of its rows. */
export const mainWgsl = (source: AttentionSource) => `
@compute @workgroup_size(${source.workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = linear_workgroup(w, n);
  if (group >= u.count) { return; }
  let first = (group % u.blocks) * ${rowsPerWorkgroup(source)};
  let batch_head = group / u.blocks;
  let head = (batch_head % u.heads) * u.size;
  let batch = batch_head / u.heads;`;

/** Scores of keys past the end of the mask; finite, so that no difference of scores is NaN. */
export const lowestScore = '-3.4e38';

/** WGSL of `key_end(query)`: query i attends keys 0 … key_end(i) − 1. */
export function maskWgsl({ causal, hasPosition }: AttentionSource): string {
  const start = hasPosition ? 'position[0]' : '0';
  const end = causal ? `min(u.keys, ${start} + query + 1)` : 'u.keys';
  return `fn key_end(query: u32) -> u32 { return ${end}; }`;
}
