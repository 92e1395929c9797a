import type { Storage } from '../device.ts';
import { WeakMemo } from '../memo.ts';
import type { Tensor } from '../tensor.ts';
import { kernel, linearGrid, type Kernel, type KernelRun, type UniformType } from './kernel.ts';

/** Quads (four floats) that an invocation of a multi-tensor kernel handles. */
const quadsEach = 8;
const workgroupSize = 64;

/**
 * A kernel that treats many tensors of any sizes alike, a few to a dispatch. Each tensor has its own bindings;
 * `body` sees them, and its uniforms, through `name(…)`, the index `i` of a quad inside the tensor,
 * and `own(quad, i, size)`, which puts zeros for what lies behind the tensor's end.
 */
export interface MultiTensor {
  readonly name: string;
  readonly shared: Kernel['bindings'];
  readonly each: Kernel['bindings'];
  readonly uniforms: Readonly<Record<string, UniformType>>;
  readonly eachUniforms: Readonly<Record<string, UniformType>>;
  /** Functions that the code uses. */
  readonly functions: string;
  /** What an invocation does before its quads. */
  readonly start?: string;
  readonly body: (name: (name: string) => string) => string;
  /** What it does after them; sees `group`, the workgroup's number, and `l`. */
  readonly end?: string;
}

/** One tensor of many: its elements, its bindings, its uniforms. */
export interface MultiTensorItem {
  /** Elements; its bindings are whole quads, padded. */
  readonly size: number;
  readonly buffers: readonly (Tensor | Storage)[];
  readonly uniforms: readonly number[];
}

/** Workgroups that a tensor of `size` elements takes. */
export function multiTensorWorkgroups(size: number): number {
  return Math.ceil(size / (4 * quadsEach * workgroupSize));
}

const kernels = new WeakMemo<MultiTensor, Kernel>();

/**
 * Runs a multi-tensor kernel over all items in as few dispatches as the adapter's bindings allow.
 * A further uniform `first`, before the shared ones, numbers a dispatch's first workgroup among all.
 */
export function runMultiTensor(
  run: KernelRun,
  definition: MultiTensor,
  shared: { buffers: readonly (Tensor | Storage)[]; uniforms: readonly number[] },
  items: readonly MultiTensorItem[],
): void {
  const limit = run.capabilities.limits.maxStorageBuffersPerShaderStage - shared.buffers.length;
  const most = Math.min(
    mostTensors[run.capabilities.adapterKind],
    Math.floor(limit / Math.max(1, Object.keys(definition.each).length)),
  );
  let first = 0;
  for (let start = 0; start < items.length; start += most) {
    const some = items.slice(start, start + most);
    const ends: number[] = [];
    for (const { size } of some) ends.push((ends.at(-1) ?? 0) + multiTensorWorkgroups(size));
    const uniforms = some.flatMap(({ size, uniforms }, t) => [ends[t]!, size, ...uniforms]);
    run.dispatch(
      kernels.get(definition, `${some.length}`, () => multiTensorKernel(definition, some.length)),
      [...shared.buffers, ...some.flatMap(({ buffers }) => buffers)],
      [first, ...shared.uniforms, ...uniforms],
      linearGrid(ends.at(-1)!),
    );
    first += ends.at(-1)!;
  }
}

// Software drivers compile a kernel for seconds, and some run all of its branches: beyond four tensors they gain nothing.
const mostTensors = { software: 4, hardware: 8 };

// What lies behind a tensor's last element is not its own: it may hold anything.
const ownElements = `
fn own(v: vec4f, i: u32, size: u32) -> vec4f {
  return select(vec4f(0), v, vec4u(4u * i) + vec4u(0, 1, 2, 3) < vec4u(size));
}`;

function multiTensorKernel(definition: MultiTensor, count: number): Kernel {
  const { name, shared, each, eachUniforms, functions, start = '', body, end = '' } = definition;
  const tensors = Array.from({ length: count }, (_, t) => t);
  const numbered = <V>(record: Readonly<Record<string, V>>) =>
    Object.fromEntries(
      tensors.flatMap((t) => Object.entries(record).map(([key, value]) => [`${key}_${t}`, value])),
    ) as Record<string, V>;
  const access = (t: number) => (key: string) => (key in each ? `${key}_${t}` : `u.${key}_${t}`);
  // Each branch is a loop, so that a driver without real branches leaves it after one turn.
  const branch = (t: number) => `if (w < u.end_${t}) {
    let base = (w - ${t ? `u.end_${t - 1}` : '0u'}) * ${quadsEach * workgroupSize}u + l;
    let quads = (u.size_${t} + 3u) / 4u;
    let stop = min(base + ${quadsEach * workgroupSize}u, quads);
    for (var i = base; i < stop; i += ${workgroupSize}u) {
      ${body(access(t))}
    }
  }`;
  return kernel({
    name: `${name}${count}`,
    bindings: { ...shared, ...numbered(each) },
    uniforms: {
      first: 'u32',
      ...definition.uniforms,
      ...numbered<UniformType>({ end: 'u32', size: 'u32', ...eachUniforms }),
    },
    code: `${ownElements}
${functions}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let w = linear_workgroup(id, n);
  // A folded grid may have more workgroups than there is work.
  if (w >= u.end_${count - 1}) { return; }
  ${start}
  ${tensors.map(branch).join(' else ')}
  let group = u.first + w;
  ${end}
}`,
  });
}
