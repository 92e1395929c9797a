import { apply } from '../apply.ts';
import {
  gaussianMixtureBackwardKernel as cpuBackward,
  gaussianMixtureKernel as cpuForward,
} from '../cpu/gaussian-mixture.ts';
import type { Op } from '../op.ts';
import { referenceLogSumExp } from '../reference-rows.ts';
import { ndarray } from '../reference.ts';
import { sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { gaussianMixtureBackwardKernel } from '../webgpu/gaussian-mixture-backward.ts';
import { gaussianMixtureKernel } from '../webgpu/gaussian-mixture.ts';
import { checkFloats } from './check-floats.ts';
import { map } from './map.ts';
import {
  checkMixture,
  mixtureAt,
  sampleMixture,
  smallestStd,
  type MixtureOptions,
  type MixtureParams,
} from './mixture-head.ts';
import { reshape } from './reshape.ts';

/** Density of a diagonal Gaussian mixture (FARMER, eq. 11 and 14). */
export const gaussianMixtureOp: Op<MixtureParams> = {
  name: 'gaussianMixtureLogProb',
  infer([z, head], params) {
    checkFloats('gaussianMixtureLogProb', [z!, head!]);
    checkMixture('gaussianMixtureLogProb', z!.shape, head!.shape, params);
    const [groups, values] = z!.shape as [number, number];
    return [
      { shape: [groups, values], dtype: 'f32' },
      { shape: [groups, values, params.components], dtype: 'f32' },
    ];
  },
  reference([z, head], params) {
    const [groups, values, channels] = z!.shape as [number, number, number];
    const component: number[] = [];
    const logProb: number[] = [];
    for (let row = 0; row < groups * values; row++) {
      const mixture = mixtureAt(head!, Math.floor(row / values), channels, params);
      const joint = mixture.map(({ weight, means, stds }) => {
        let sum = Math.log(weight);
        for (let j = 0; j < channels; j++) {
          const deviation = (z!.data[row * channels + j]! - means[j]!) / stds[j]!;
          sum -= 0.5 * deviation ** 2 + Math.log(stds[j]!) + 0.5 * Math.log(2 * Math.PI);
        }
        return sum;
      });
      component.push(...joint);
      logProb.push(referenceLogSumExp(Float64Array.from(joint)));
    }
    return [
      ndarray([groups, values], logProb),
      ndarray([groups, values, params.components], component),
    ];
  },
  kernels: { webgpu: gaussianMixtureKernel, cpu: cpuForward },
  vjp({ inputs, outputs, gradients, params }) {
    const [z, head] = inputs;
    const component = outputs[1]!;
    const [dlogProb, dcomponent] = gradients;
    const weights: Tensor[] = [];
    if (dlogProb) {
      // Each component's share of the density, times the gradient.
      const [g, logProb] = [dlogProb, outputs[0]!].map((x) => reshape(x, [...x.shape, 1]));
      weights.push(map('g * exp(component - logProb)', { g: g!, component, logProb: logProb! }));
    }
    if (dcomponent) weights.push(dcomponent);
    if (weights.length === 0) return [null, null];
    const [first, second] = weights;
    const sum = second ? map('a + b', { a: first!, b: second }) : first!;
    return apply(gaussianMixtureBackwardOp, [z!, head!, sum], params);
  },
  sample(random) {
    const { z, head, params } = sampleMixture(random);
    return { inputs: [z, head], params, tolerance: { absolute: 1e-4, relative: 1e-5 } };
  },
};

/** Gradients of z and head, given weights [G, n, K]: the gradient of every component's log π_k N_k. */
export const gaussianMixtureBackwardOp: Op<MixtureParams> = {
  name: 'gaussianMixtureBackward',
  infer: ([z, head]) => [
    { shape: z!.shape, dtype: 'f32' },
    { shape: head!.shape, dtype: 'f32' },
  ],
  reference([z, head, weights], params) {
    const [groups, values, channels] = z!.shape as [number, number, number];
    const { components, logitScale, scale } = params;
    const dz = new Float64Array(sizeOf(z!.shape));
    const dhead = new Float64Array(sizeOf(head!.shape));
    for (let row = 0; row < groups * values; row++) {
      const group = Math.floor(row / values);
      const mixture = mixtureAt(head!, group, channels, params);
      const own = weights!.data.subarray(row * components, (row + 1) * components);
      const total = own.reduce((a, b) => a + b, 0);
      mixture.forEach(({ weight, means, stds, raws, at }, k) => {
        dhead[at.logit]! += logitScale * (own[k]! - weight * total);
        for (let j = 0; j < channels; j++) {
          const deviation = (z!.data[row * channels + j]! - means[j]!) / stds[j]!;
          const pull = (own[k]! * deviation) / stds[j]!;
          dhead[at.means + j]! += pull;
          dz[row * channels + j]! -= pull;
          // d std / d raw = T_σ squareplus′(raw) = T_σ · ½(1 + raw / √(raw² + 4)), or 0 at the smallest std.
          const slope = scale * 0.5 * (1 + raws[j]! / Math.sqrt(raws[j]! ** 2 + 4));
          const dstd = (own[k]! * (deviation ** 2 - 1)) / stds[j]!;
          if (stds[j]! > scale * smallestStd) dhead[at.raws + j]! += dstd * slope;
        }
      });
    }
    return [ndarray(z!.shape, dz), ndarray(head!.shape, dhead)];
  },
  kernels: { webgpu: gaussianMixtureBackwardKernel, cpu: cpuBackward },
  sample(random) {
    const { z, head, params } = sampleMixture(random);
    const weights = random.normals([z.shape[0]!, z.shape[1]!, params.components]);
    const tolerance = { absolute: 2e-4, relative: 1e-4 };
    return { inputs: [z, head, weights], params, tolerance };
  },
};

/**
 * Log-density of values under diagonal Gaussian mixtures, in nats (FARMER, eq. 11 and 14): logsumexp over
 * components of log weight + Σ log N, with std = max(squareplus(raw), 1e-6), squareplus(x) = ½(x + √(x² + 4)).
 * @param z [G, n, d]: the n values of a group share its mixture
 * @param head [G, K·(1 + 2d)]: K logits, then K × d means, then K × d raw scales
 * @returns [G, n]
 * @throws ShapeError for other shapes
 */
export function gaussianMixtureLogProb(z: Tensor, head: Tensor, options: MixtureOptions): Tensor {
  const { components, logitScale = 1, scale = 1 } = options;
  return apply(gaussianMixtureOp, [z, head], { components, logitScale, scale })[0]!;
}
