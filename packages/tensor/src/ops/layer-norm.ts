import { apply1 } from '../apply.ts';
import type { Tensor } from '../tensor.ts';
import { normOps } from './normalize.ts';

export const { forward: layerNormOp, gradient: layerNormGradientOp } = normOps(
  'layerNorm',
  'layer',
);

/**
 * Layer normalisation over the last axis (Ba et al. 2016): (x − mean) / √(variance + ε) · scale + shift.
 * @param x f32 [..., D]
 * @param scale f32 [D]
 * @param shift f32 [D]
 * @throws ShapeError when the shapes do not fit
 */
export function layerNorm(
  x: Tensor,
  scale: Tensor,
  shift: Tensor,
  { epsilon = 1e-5 }: { epsilon?: number } = {},
): Tensor {
  return apply1(layerNormOp, [x, scale, shift], { epsilon });
}
