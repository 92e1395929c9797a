import { map, mean, scope, type Tensor } from '@farmer/tensor';
import { totalLogLikelihood, type LogLikelihood } from './model.ts';

/**
 * L = −(1 / (N·d)) log p(x), mean over the batch (eq. 13, 14): the loss, [], in nats per dimension.
 * @param parts of each image, [B] each
 * @param values N·d
 */
export function negativeLogLikelihood(parts: LogLikelihood, values: number): Tensor {
  return scope(() => map('-x / values', { x: mean(totalLogLikelihood(parts)), values }));
}

/**
 * Bits per dimension of an 8-bit image (docs/method/3-pixels.md).
 * @param logLikelihood log p(v) of the whole image in nats, v = k + u in bin units: log p of what the flow sees, plus the
 *   log-det of the pixel map; or one of its parts
 * @param values D = H·W·C of the image without padding
 */
export function bitsPerDim(logLikelihood: number, values: number): number {
  return -logLikelihood / (values * Math.LN2);
}
