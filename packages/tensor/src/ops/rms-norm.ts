import { apply1 } from '../apply.ts';
import type { Tensor } from '../tensor.ts';
import { normOps } from './normalize.ts';

export const { forward: rmsNormOp, gradient: rmsNormGradientOp } = normOps('rmsNorm', 'rms');

/**
 * Root-mean-square normalisation over the last axis (Zhang & Sennrich 2019): x / √(mean x² + ε) · scale.
 * @param x f32 [..., D]
 * @param scale f32 [D]
 * @throws ShapeError when the shapes do not fit
 */
export function rmsNorm(
  x: Tensor,
  scale: Tensor,
  { epsilon = 1e-5 }: { epsilon?: number } = {},
): Tensor {
  return apply1(rmsNormOp, [x, scale], { epsilon });
}
