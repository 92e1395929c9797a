import { sizeOf } from '../shape.ts';
import { linearGrid, type KernelRun, type UniformType, type WebGpuCapabilities } from './kernel.ts';

/**
 * Elementwise work over `count` elements: each workgroup walks a run of neighbours, its invocations side by side.
 * Few long walks suit software adapters, where starting a workgroup costs as much as dozens of elements; there
 * a workgroup is one vector register. GPUs take more invocations and shorter walks.
 */
export function walkSize({ adapterKind, subgroups }: WebGpuCapabilities): number {
  return adapterKind === 'software' ? (subgroups?.maxSize ?? 8) : 256;
}

/** Workgroups wanted before walks grow, and the longest walk in elements an invocation. */
const shape = {
  software: { workgroups: 16, longest: 128 },
  hardware: { workgroups: 2048, longest: 8 },
};

/**
 * The grid of a walk and the values of its uniforms, in `walkUniforms`'s order.
 * @param lengths of the axes to keep coordinates for, outermost first; their product is the number of elements
 */
export function walkGrid(
  { capabilities }: Pick<KernelRun, 'capabilities'>,
  lengths: readonly number[],
): { uniforms: number[]; workgroups: [number, number, number] } {
  const size = walkSize(capabilities);
  const { workgroups, longest } = shape[capabilities.adapterKind];
  const count = sizeOf(lengths);
  const each = Math.min(longest, Math.max(1, Math.ceil(count / (size * workgroups))));
  const chunk = size * each;
  return {
    uniforms: [count, chunk, ...lengths.slice(1), ...digits(size, lengths)],
    workgroups: linearGrid(Math.ceil(count / chunk)),
  };
}

/** `value` in the mixed radix of `lengths`; what exceeds the outermost axis stays there. */
function digits(value: number, lengths: readonly number[]): number[] {
  let rest = value;
  const result: number[] = [];
  for (let axis = lengths.length - 1; axis > 0; axis--) {
    result.unshift(rest % lengths[axis]!);
    rest = Math.floor(rest / lengths[axis]!);
  }
  return [rest, ...result];
}

/** Uniforms of a walk over `rank` axes: sizes, and the coordinates of one step. */
export function walkUniforms(rank: number): Record<string, UniformType> {
  const uniforms: Record<string, UniformType> = { count: 'u32', chunk: 'u32' };
  for (let axis = 1; axis < rank; axis++) uniforms[`length${axis}`] = 'u32';
  for (let axis = 0; axis < rank; axis++) uniforms[`step${axis}`] = 'u32';
  return uniforms;
}

/**
 * The main function of a walk. `body` sees the element's number `i` and, where it asks for them, its coordinates
 * c0 …, which take a division once a walk and additions with carry after that.
 * @param size `walkSize` of the adapter
 * @param before WGSL ahead of the loop
 */
export function walkWgsl(options: {
  readonly size: number;
  readonly rank: number;
  readonly coordinates: boolean;
  readonly before: string;
  readonly body: string;
}): string {
  const { size, rank, coordinates, before, body } = options;
  const inner = Array.from({ length: rank - 1 }, (_, k) => rank - 1 - k);
  const first = inner.map(
    (axis) => `var c${axis} = rest % u.length${axis}; rest /= u.length${axis};`,
  );
  const next = inner.map(
    (axis) => `c${axis} += u.step${axis} + carry;
    carry = select(0u, 1u, c${axis} >= u.length${axis});
    c${axis} -= carry * u.length${axis};`,
  );
  const start = `var rest = first;
  ${first.join('\n  ')}
  var c0 = rest;`;
  const advance = `var carry = 0u;
    ${next.join('\n    ')}
    c0 += u.step0 + carry;`;
  return `
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let begin = linear_workgroup(w, n) * u.chunk;
  let first = begin + l;
  let end = min(begin + u.chunk, u.count);
  ${before}
  ${coordinates ? start : ''}
  for (var i = first; i < end; i += ${size}u) {
    ${body}
    ${coordinates ? advance : ''}
  }
}`;
}
