import { memoize } from '../memo.ts';
import { sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import {
  invocationGrid,
  kernel,
  workgroupSize,
  type KernelRun,
  type UniformType,
} from './kernel.ts';
import { elementType } from './wgsl.ts';

interface PaddedAxis {
  readonly inner: number;
  readonly before: number;
  readonly outer: number;
}

/** Writes `from` surrounded by `bits`: each output element is written once. */
export function padBits(
  run: KernelRun,
  { from, to, before, bits }: { from: Tensor; to: Tensor; before: readonly number[]; bits: number },
): void {
  const axes = mergeAxes(from, to, before);
  const last = axes.at(-1)!;
  const width = [last.inner, last.before, last.outer].every((value) => value % 4 === 0) ? 4 : 1;
  const scaled = axes.map((axis) =>
    axis === last
      ? { inner: axis.inner / width, before: axis.before / width, outer: axis.outer / width }
      : axis,
  );
  const count = sizeOf(scaled.map(({ outer }) => outer));
  run.dispatch(
    padKernel(scaled.length, width),
    [from, to],
    [count, bits, ...scaled.flatMap(({ inner, before, outer }) => [inner, before, outer])],
    invocationGrid(count),
  );
}

/** Joins each axis without padding to the axis outside of it; at least one axis remains. */
function mergeAxes(from: Tensor, to: Tensor, before: readonly number[]): PaddedAxis[] {
  const axes: PaddedAxis[] = [];
  from.shape.forEach((inner, axis) => {
    const outer = to.shape[axis]!;
    const parent = axes.at(-1);
    if (inner !== outer || !parent) {
      axes.push({ inner, before: before[axis]!, outer });
    } else {
      axes[axes.length - 1] = {
        inner: parent.inner * inner,
        before: parent.before * inner,
        outer: parent.outer * inner,
      };
    }
  });
  return axes.length ? axes : [{ inner: 1, before: 0, outer: 1 }];
}

// A coordinate left of the input wraps to a huge u32, so that one comparison checks both ends.
const padKernel = memoize((rank: number, width: number) => {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const uniforms: Record<string, UniformType> = { count: 'u32', bits: 'u32' };
  for (const axis of axes) {
    for (const field of ['inner', 'before', 'outer']) uniforms[`${field}${axis}`] = 'u32';
  }
  const element = elementType('u32', width);
  const coordinates = axes
    .slice(1)
    .reverse()
    .map((a) => `let c${a} = rest % u.outer${a} - u.before${a}; rest = rest / u.outer${a};`);
  const index = axes.reduce((outer, a) => (a ? `(${outer}) * u.inner${a} + c${a}` : 'c0'), '');
  return kernel({
    name: `pad${rank}x${width}`,
    bindings: { source: `read ${element}`, destination: `write ${element}` },
    uniforms,
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  var rest = i;
  ${coordinates.join('\n  ')}
  let c0 = rest - u.before0;
  var value = ${element}(u.bits);
  if (${axes.map((a) => `c${a} < u.inner${a}`).join(' && ')}) { value = source[${index}]; }
  destination[i] = value;
}`,
  });
});
