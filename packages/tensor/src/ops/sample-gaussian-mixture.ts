import { apply1 } from '../apply.ts';
import { sampleGaussianMixtureKernel as cpuKernel } from '../cpu/sample-mixture.ts';
import type { Op } from '../op.ts';
import { ndarray, ndarrayOf } from '../reference.ts';
import { formatShape, sameShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { sampleGaussianMixtureKernel } from '../webgpu/sample-gaussian-mixture.ts';
import { checkFloats } from './check-floats.ts';
import {
  checkMixture,
  mixtureAt,
  sampleMixture,
  type MixtureOptions,
  type MixtureParams,
} from './mixture-head.ts';

/** Draws from diagonal Gaussian mixtures, given the random numbers. */
export const sampleGaussianMixtureOp: Op<MixtureParams> = {
  name: 'sampleGaussianMixture',
  infer(inputs, params) {
    checkFloats('sampleGaussianMixture', inputs);
    const [head, uniforms, normals] = inputs;
    checkMixture('sampleGaussianMixture', normals!.shape, head!.shape, params);
    if (!sameShape(uniforms!.shape, normals!.shape.slice(0, 2))) {
      throw new ShapeError(
        `sampleGaussianMixture: normals ${formatShape(normals!.shape)} need uniforms of the same ` +
          `[groups, n], got ${formatShape(uniforms!.shape)}`,
      );
    }
    return [{ shape: normals!.shape, dtype: 'f32' }];
  },
  reference([head, uniforms, normals], params) {
    const [groups, values, channels] = normals!.shape as [number, number, number];
    const draws: number[] = [];
    for (let row = 0; row < groups * values; row++) {
      const mixture = mixtureAt(head!, Math.floor(row / values), channels, params);
      let cumulative = 0;
      const picked =
        mixture.find(({ weight }) => (cumulative += weight) > uniforms!.data[row]!) ??
        mixture.findLast(({ weight }) => weight > 0)!;
      for (let j = 0; j < channels; j++) {
        const normal = normals!.data[row * channels + j]!;
        draws.push(picked.means[j]! + picked.stds[j]! * normal);
      }
    }
    return [ndarray(normals!.shape, draws)];
  },
  kernels: { webgpu: sampleGaussianMixtureKernel, cpu: cpuKernel },
  sample(random) {
    const { z: normals, head, params } = sampleMixture(random);
    const [groups, values, channels] = normals.shape as [number, number, number];
    // Well inside a component's share of the unit interval, where rounding cannot pick its neighbour.
    const inside = (row: number) => {
      const mixture = mixtureAt(head, Math.floor(row / values), channels, params);
      const picked = random.integer(0, mixture.length - 1);
      const before = mixture.slice(0, picked).reduce((sum, { weight }) => sum + weight, 0);
      return Math.fround(before + mixture[picked]!.weight * (0.1 + 0.8 * random.uniform()));
    };
    const uniforms = ndarrayOf([groups, values], inside);
    return { inputs: [head, uniforms, normals], params };
  },
};

/**
 * Draws from diagonal Gaussian mixtures: a component by the inverse CDF of softmax(T_π · logits), then
 * mean + T_σ · std · normal. With `scale` 0 it gives the component's mean. Not differentiable.
 * @param head [G, K·(1 + 2d)], packed as for `gaussianMixtureLogProb`
 * @param uniforms [G, n] in [0, 1)
 * @param normals [G, n, d], standard normal
 * @returns [G, n, d]
 * @throws ShapeError for other shapes
 */
export function sampleGaussianMixture(
  head: Tensor,
  uniforms: Tensor,
  normals: Tensor,
  { components, logitScale = 1, scale = 1 }: MixtureOptions,
): Tensor {
  const params = { components, logitScale, scale };
  return apply1(sampleGaussianMixtureOp, [head, uniforms, normals], params);
}
