import type { MixtureParams } from '../ops/mixture-head.ts';
import { invocationGrid, kernel, workgroupSize, type WebGpuKernel } from './kernel.ts';

// One invocation a value: it finds its component, then walks the channels.
const sampleKernel = kernel({
  name: 'sampleGaussianMixture',
  bindings: {
    head: 'read f32',
    uniforms: 'read f32',
    normals: 'read f32',
    draws: 'write f32',
  },
  uniforms: {
    count: 'u32',
    values: 'u32',
    components: 'u32',
    channels: 'u32',
    logit_scale: 'f32',
    scale: 'f32',
  },
  code: `
fn std_of(raw: f32) -> f32 {
  // squareplus without cancellation for raw < 0.
  let q = 0.5 * (abs(raw) + sqrt(raw * raw + 4.0));
  return max(select(q, 1.0 / q, raw < 0.0), 1e-6);
}

fn pick(logits: u32, uniform_value: f32) -> u32 {
  var largest = -3.4e38;
  for (var k = 0u; k < u.components; k++) { largest = max(largest, u.logit_scale * head[logits + k]); }
  var total = 0.0;
  for (var k = 0u; k < u.components; k++) { total += exp(u.logit_scale * head[logits + k] - largest); }
  // Rounding may leave the sum short of the threshold: then the last possible component is it.
  var picked = 0u;
  var cumulative = 0.0;
  for (var k = 0u; k < u.components; k++) {
    let weight = exp(u.logit_scale * head[logits + k] - largest);
    if (cumulative <= uniform_value * total && weight > 0.0) { picked = k; }
    cumulative += weight;
  }
  return picked;
}

@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let row = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (row >= u.count) { return; }
  let logits = row / u.values * u.components * (1u + 2u * u.channels);
  let means = logits + u.components + pick(logits, uniforms[row]) * u.channels;
  for (var j = 0u; j < u.channels; j++) {
    let deviation = u.scale * std_of(head[means + u.components * u.channels + j]);
    draws[row * u.channels + j] = head[means + j] + deviation * normals[row * u.channels + j];
  }
}`,
});

/** Inputs head [G, K(1 + 2d)], uniforms [G, n] and normals [G, n, d]; output [G, n, d]. */
export const sampleGaussianMixtureKernel: WebGpuKernel<MixtureParams> = (
  run,
  { inputs, outputs, params: { components, logitScale, scale } },
) => {
  const [groups, values, channels] = outputs[0]!.shape as [number, number, number];
  const count = groups * values;
  run.dispatch(
    sampleKernel,
    [...inputs, ...outputs],
    [count, values, components, channels, logitScale, scale],
    invocationGrid(count),
  );
};
