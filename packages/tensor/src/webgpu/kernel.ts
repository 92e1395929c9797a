import type { Storage } from '../device.ts';
import type { TensorCall } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import type { Autotuner } from './autotune.ts';
import type { WebGpuDevice } from './device.ts';
import type { RowVariant } from './rows/variant.ts';

/** WGSL element type of a binding. A vec4f binding sees the same memory, four floats at a time. */
export type ElementType = 'f32' | 'i32' | 'u32' | 'vec2f' | 'vec4f' | 'vec4i' | 'vec4u';
export type Access = 'read' | 'write';
export type UniformType = 'u32' | 'i32' | 'f32';

/** A compute shader with named bindings and parameters. Sizes are uniforms, so that a new shape compiles nothing. */
export interface Kernel {
  readonly name: string;
  readonly bindings: Readonly<Record<string, `${Access} ${ElementType}`>>;
  readonly uniforms: Readonly<Record<string, UniformType>>;
  /** The complete WGSL, header included. */
  readonly source: string;
}

/**
 * Makes a kernel from a body that defines `fn main`. The body sees each binding by its name, the uniforms
 * as `u.name`, and `linear_workgroup(workgroup, workgroups)`, the number of its workgroup in a `linearGrid`.
 * Make a kernel once (a module constant, or memoised by what is baked in): pipelines are cached by this object.
 */
export function kernel(options: {
  name: string;
  bindings: Kernel['bindings'];
  uniforms?: Kernel['uniforms'];
  /** Directives such as `enable subgroups;`. */
  enable?: string;
  code: string;
}): Kernel {
  const { name, bindings, uniforms = {}, enable = '', code } = options;
  const declared = Object.entries(bindings).map(([binding, type], i) => {
    const [access, element] = type.split(' ');
    const mode = access === 'read' ? 'read' : 'read_write';
    return `@group(0) @binding(${i}) var<storage, ${mode}> ${binding}: array<${element}>;`;
  });
  const fields = Object.entries(uniforms).map(([field, type]) => `  ${field}: ${type},`);
  const uniformBlock = fields.length
    ? `struct Uniforms {\n${fields.join('\n')}\n}\n` +
      `@group(0) @binding(${declared.length}) var<uniform> u: Uniforms;`
    : '';
  const source = [enable, ...declared, uniformBlock, gridFunctions, code]
    .filter(Boolean)
    .join('\n');
  return { name, bindings, uniforms, source };
}

// Grids wider than 65,535 workgroups fold into rows (see linearGrid).
const gridFunctions = `
fn linear_workgroup(workgroup: vec3u, workgroups: vec3u) -> u32 {
  return workgroup.y * workgroups.x + workgroup.x;
}`;

/** Workgroups to run `count` of them, folded into two dimensions when there are more than one row holds. */
export function linearGrid(count: number): [number, number, number] {
  const x = Math.min(count, 65535);
  return [x, Math.ceil(count / Math.max(x, 1)), 1];
}

/** Invocations of a workgroup, in kernels that give each invocation a result of its own. */
export const workgroupSize = 64;

/** The grid of such a kernel. */
export function invocationGrid(count: number): [number, number, number] {
  return linearGrid(Math.ceil(count / workgroupSize));
}

/** What the adapter can do, for choosing variants. */
export interface WebGpuCapabilities {
  readonly adapterKind: 'hardware' | 'software';
  /** Undefined: no subgroup operations. */
  readonly subgroups: { readonly minSize: number; readonly maxSize: number } | undefined;
  /** Undefined: the adapter has no matrix units for f16, or its user does not allow reduced precision. */
  readonly subgroupMatrix?: SubgroupMatrix | undefined;
  readonly limits: GPUSupportedLimits;
}

/** Lanes of every subgroup; undefined where there are none or their size varies. */
export function fixedSubgroupSize({ subgroups }: WebGpuCapabilities): number | undefined {
  return subgroups?.minSize === subgroups?.maxSize ? subgroups?.maxSize : undefined;
}

/** What a subgroup's matrix unit multiplies: [m, k] · [k, n] in f16, added up in f32. */
export interface SubgroupMatrix {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Issues the dispatches of one op. */
export interface KernelRun {
  readonly capabilities: WebGpuCapabilities;
  /** By which all row kernels run, whatever the table says: for measurements and tests. */
  readonly rowVariant?: RowVariant;
  /** Measured choices of variants, where the device was opened with autotuning. */
  readonly tuning: { readonly tuner: Autotuner; readonly device: WebGpuDevice } | undefined;
  /**
   * @param buffers one per binding, in the kernel's order
   * @param uniforms one number per uniform, in the kernel's order
   */
  dispatch(
    kernel: Kernel,
    buffers: readonly (Tensor | Storage)[],
    uniforms: readonly number[],
    workgroups: readonly [number, number?, number?],
  ): void;
  /** Scratch memory for this op alone. */
  temporary(byteLength: number): Storage;
}

// Declared as a method, so that kernels of all parameter types fit one registry.
export type WebGpuKernel<P> = {
  run(run: KernelRun, call: TensorCall<P>): void;
}['run'];
