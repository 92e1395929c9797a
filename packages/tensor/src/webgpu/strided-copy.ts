import { memoize } from '../memo.ts';
import { sizeOf } from '../shape.ts';
import { stridedLayout, type StridedCopy, type StridedLayout } from '../strided-copy.ts';
import {
  invocationGrid,
  kernel,
  workgroupSize,
  type Kernel,
  type KernelRun,
  type UniformType,
} from './kernel.ts';

/** Moves elements of any dtype, as bits, between two strided layouts in one dispatch. */
export function stridedCopy(run: KernelRun, copy: StridedCopy): void {
  if (copy.lengths.includes(0)) return;
  const { kernel: chosen, layout } = chooseKernel(stridedLayout(copy));
  const { lengths, fromStrides, toStrides, fromOffset, toOffset } = layout;
  const count = sizeOf(lengths);
  run.dispatch(
    chosen,
    [copy.from, copy.to],
    [count, fromOffset, toOffset, ...lengths.slice(1), ...fromStrides, ...toStrides],
    invocationGrid(count),
  );
}

/** The kernel for a layout, and the layout in the kernel's units: elements, or vec4s of them. */
function chooseKernel(layout: StridedLayout): { kernel: Kernel; layout: StridedLayout } {
  const { lengths, fromStrides, toStrides, fromOffset, toOffset } = layout;
  const last = lengths.length - 1;
  const reversed = fromStrides[last] === -1;
  // The axis on which four neighbours of the source are read at once.
  const vector = reversed ? last : fromStrides.indexOf(1);
  const start = reversed ? fromOffset - 3 : fromOffset;
  const vectorized =
    vector >= 0 &&
    toStrides[last] === 1 &&
    [lengths[last]!, lengths[vector]!, start, toOffset].every(isWhole) &&
    fromStrides.every((stride, axis) => axis === vector || isWhole(stride)) &&
    toStrides.every((stride, axis) => axis === last || isWhole(stride));
  if (!vectorized) return { kernel: copyKernel(lengths.length, 'scalar'), layout };
  const inVectors: StridedLayout = {
    lengths: lengths.map((length, axis) =>
      axis === last || axis === vector ? length / 4 : length,
    ),
    fromStrides: fromStrides.map((stride, axis) => (axis === vector ? stride : stride / 4)),
    toStrides: toStrides.map((stride, axis) => (axis === last ? stride : stride / 4)),
    fromOffset: start / 4,
    toOffset: toOffset / 4,
  };
  if (vector !== last)
    return { kernel: transposeKernel(lengths.length, vector), layout: inVectors };
  const order = reversed ? 'reversed' : 'vector';
  return { kernel: copyKernel(lengths.length, order), layout: inVectors };
}

const isWhole = (value: number) => value % 4 === 0;

const copyKernel = memoize((rank: number, variant: 'scalar' | 'vector' | 'reversed') => {
  const order = variant === 'reversed' ? '.wzyx' : '';
  return stridedKernel(
    `stridedCopy-${rank}-${variant}`,
    rank,
    variant === 'scalar' ? 'u32' : 'vec4u',
    `destination[u.toOffset ${place('to', rank)}] = source[u.fromOffset ${place('from', rank)}]${order};`,
  );
});

// Source neighbours lie on axis `inner`, destination neighbours on the last: each invocation turns a 4 × 4 block.
const transposeKernel = memoize((rank: number, inner: number) => {
  const last = rank - 1;
  return stridedKernel(
    `stridedCopy-${rank}-transpose${inner}`,
    rank,
    'vec4u',
    `let source_at = u.fromOffset ${place('from', rank, last)};
  let target_at = u.toOffset ${place('to', rank, inner)};
  let block = transpose_words(
    source[source_at], source[source_at + u.fromStride${last}],
    source[source_at + 2 * u.fromStride${last}], source[source_at + 3 * u.fromStride${last}]);
  destination[target_at] = block[0];
  destination[target_at + u.toStride${inner}] = block[1];
  destination[target_at + 2 * u.toStride${inner}] = block[2];
  destination[target_at + 3 * u.toStride${inner}] = block[3];`,
    `
fn transpose_words(a: vec4u, b: vec4u, c: vec4u, d: vec4u) -> array<vec4u, 4> {
  return array<vec4u, 4>(
    vec4u(a.x, b.x, c.x, d.x), vec4u(a.y, b.y, c.y, d.y),
    vec4u(a.z, b.z, c.z, d.z), vec4u(a.w, b.w, c.w, d.w));
}`,
  );
});

/** + Σ cᵢ·strideᵢ; the coordinate on axis `fourfold` counts groups of four. */
function place(side: 'from' | 'to', rank: number, fourfold = -1): string {
  const term = (_: unknown, axis: number) =>
    `+ ${axis === fourfold ? '4 * ' : ''}c${axis} * u.${side}Stride${axis}`;
  return Array.from({ length: rank }, term).join(' ');
}

// Negative strides work because u32 arithmetic wraps.
function stridedKernel(
  name: string,
  rank: number,
  element: 'u32' | 'vec4u',
  body: string,
  helpers = '',
): Kernel {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const uniforms: Record<string, UniformType> = {
    count: 'u32',
    fromOffset: 'u32',
    toOffset: 'u32',
  };
  for (const axis of axes.slice(1)) uniforms[`length${axis}`] = 'u32';
  for (const axis of axes) uniforms[`fromStride${axis}`] = 'u32';
  for (const axis of axes) uniforms[`toStride${axis}`] = 'u32';
  const coordinates = axes
    .slice(1)
    .reverse()
    .map((a) => `let c${a} = rest % u.length${a}; rest = rest / u.length${a};`);
  return kernel({
    name,
    bindings: { source: `read ${element}`, destination: `write ${element}` },
    uniforms,
    code: `${helpers}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  var rest = i;
  ${coordinates.join('\n  ')}
  let c0 = rest;
  ${body}
}`,
  });
}
