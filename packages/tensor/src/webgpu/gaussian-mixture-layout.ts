import type { MixtureParams } from '../ops/mixture-head.ts';
import type { Shape } from '../shape.ts';
import { workgroupSize } from './kernel.ts';
import { lines } from './wgsl.ts';

// Sizes: G groups of n values, K components, d channels. A group's head is K logits, K × d means, K × d raw
// scales; the vec4 variants need K and d divisible by 4. Values of one group go four to an invocation (`tile`),
// so that a component's parameters are loaded once for all four.

/** The main function of a linear grid; `body` is what invocation `id` of `u.count` does. */
export const mainFunction = (body: string) => `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let id = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (id >= u.count) { return; }
  ${body}
}`;

// squareplus(x) = ½(x + √(x² + 4)) is q for x ≥ 0 and 1/q for x < 0 with q = ½(|x| + √(x² + 4)): no cancellation.
export const inverseStd = `
fn inverse_std(raw: T, scale: f32) -> T {
  let q = 0.5 * (abs(raw) + sqrt(raw * raw + 4.0));
  return min(select(1.0 / q, q, raw < T(0)), T(1e6)) / scale;
}`;

export const headUniforms = {
  components: 'u32',
  width: 'u32',
  logit_scale: 'f32',
  scale: 'f32',
} as const;
// Where a component's means start, in elements of T, and how far behind them its raw scales are.
export const headIndex = (width: number) => `
fn means_of(group: u32, k: u32) -> u32 {
  return (group * (1u + 2u * u.width * ${width}u) + 1u) * u.components / ${width}u + k * u.width;
}
fn raw_after_means() -> u32 { return u.components * u.width; }
fn logit_index(group: u32, k: u32) -> u32 {
  return group * u.components * (1u + 2u * u.width * ${width}u) + k;
}`;

export const sharedTile = 4;
export const tiled = (tile: number, line: (v: number) => string) => lines(tile, line, '\n    ');

/** Sizes of a mixture op on values of this shape; `width` floats make an element of T. */
export function sizesOf(shape: Shape, { components, logitScale, scale }: MixtureParams) {
  const [groups, values, channels] = shape as [number, number, number];
  const width = channels % 4 === 0 && components % 4 === 0 ? 4 : 1;
  const uniforms = [components, channels / width, logitScale, scale];
  return { groups, values, components, channels, width, uniforms };
}
