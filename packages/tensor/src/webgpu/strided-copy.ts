import type { Tensor } from '../tensor.ts';
import { kernel, linearGrid, memoizeKernel, type KernelRun, type UniformType } from './kernel.ts';

const workgroupSize = 64;

/** Elements `from[fromOffset + Σ cᵢ·fromStridesᵢ]` go to `to[toOffset + Σ cᵢ·toStridesᵢ]` for all c < lengths. */
export interface StridedCopy {
  readonly lengths: readonly number[];
  readonly from: Tensor;
  readonly fromOffset?: number;
  /** May be negative, for reversed axes. */
  readonly fromStrides: readonly number[];
  readonly to: Tensor;
  readonly toOffset?: number;
  readonly toStrides: readonly number[];
}

/** Moves elements of any dtype, as bits, between two strided layouts in one dispatch. */
export function stridedCopy(run: KernelRun, copy: StridedCopy): void {
  if (copy.lengths.includes(0)) return;
  const { lengths, fromStrides, toStrides } = mergeAxes(copy);
  const { fromOffset = 0, toOffset = 0 } = copy;
  const last = lengths.length - 1;
  const aligned = [lengths[last]!, fromOffset, toOffset, ...fromStrides.slice(0, last)]
    .concat(toStrides.slice(0, last))
    .every((value) => value % 4 === 0);
  const width = aligned && fromStrides[last] === 1 && toStrides[last] === 1 ? 4 : 1;
  const scaled = (values: readonly number[]) =>
    values.map((value, axis) => (axis === last ? value : value / width));
  const groups = lengths.map((length, axis) => (axis === last ? length / width : length));
  const count = groups.reduce((a, b) => a * b, 1);
  run.dispatch(
    copyKernel(lengths.length, width),
    [copy.from, copy.to],
    [
      count,
      fromOffset / width,
      toOffset / width,
      ...groups.slice(1),
      ...scaled(fromStrides),
      ...scaled(toStrides),
    ],
    linearGrid(Math.ceil(count / workgroupSize)),
  );
}

/** Drops axes of length 1 and joins neighbours that both sides walk in step. */
function mergeAxes(copy: StridedCopy) {
  const lengths: number[] = [];
  const fromStrides: number[] = [];
  const toStrides: number[] = [];
  copy.lengths.forEach((length, axis) => {
    if (length === 1) return;
    const [from, to] = [copy.fromStrides[axis]!, copy.toStrides[axis]!];
    const last = lengths.length - 1;
    if (last >= 0 && fromStrides[last] === from * length && toStrides[last] === to * length) {
      lengths[last]! *= length;
      fromStrides[last] = from;
      toStrides[last] = to;
    } else {
      lengths.push(length);
      fromStrides.push(from);
      toStrides.push(to);
    }
  });
  if (lengths.length === 0) return { lengths: [1], fromStrides: [1], toStrides: [1] };
  return { lengths, fromStrides, toStrides };
}

// Negative strides work because u32 arithmetic wraps.
const copyKernel = memoizeKernel((rank: number, width: number) => {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const uniforms: Record<string, UniformType> = {
    count: 'u32',
    fromOffset: 'u32',
    toOffset: 'u32',
  };
  for (const axis of axes.slice(1)) uniforms[`length${axis}`] = 'u32';
  for (const axis of axes) uniforms[`fromStride${axis}`] = 'u32';
  for (const axis of axes) uniforms[`toStride${axis}`] = 'u32';
  const element = width === 4 ? 'vec4u' : 'u32';
  const coordinates = axes
    .slice(1)
    .reverse()
    .map((a) => `let c${a} = rest % u.length${a}; rest = rest / u.length${a};`);
  const place = (side: string) => axes.map((a) => `+ c${a} * u.${side}Stride${a}`).join(' ');
  return kernel({
    name: `stridedCopy${rank}x${width}`,
    bindings: { source: `read ${element}`, destination: `write ${element}` },
    uniforms,
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  var rest = i;
  ${coordinates.join('\n  ')}
  let c0 = rest;
  destination[u.toOffset ${place('to')}] = source[u.fromOffset ${place('from')}];
}`,
  });
});
