import { map, mean, scope, type Tensor } from '@farmer/tensor';
import { totalLogLikelihood, type LogLikelihood } from './model.ts';

/** L = −(1 / (N·d)) log p(x), mean over the batch (eq. 13, 14). */
export function negativeLogLikelihood(parts: LogLikelihood, values: number): Tensor {
  return scope(() => map('-x / values', { x: mean(totalLogLikelihood(parts)), values }));
}

/**
 * Bits per dimension of 8-bit images under uniform dequantisation (method, section 7).
 * @param logLikelihood log p of the values that the flow sees, in nats for the whole image
 * @param pixelLogDet log|dy/dv| of the pixel map for the whole image, v in bin units
 * @param values D = H·W·C of the image without padding
 */
export function bitsPerDim(logLikelihood: number, pixelLogDet: number, values: number): number {
  return -(logLikelihood + pixelLogDet) / (values * Math.LN2);
}
