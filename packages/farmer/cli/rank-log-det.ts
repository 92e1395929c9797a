import { scope, type Tensor } from '@farmer/tensor';
import type { Farmer } from '../src/model.ts';

/** log|det ∂Z/∂X| of images [B, H, W, C], values of the pixel map. */
export async function imageLogDets(model: Farmer, images: Tensor): Promise<number[]> {
  const logDet = scope(() => model.flow.forward(model.tokens(images)).logDet);
  const values = Array.from(await logDet.data());
  logDet.dispose();
  return values;
}

/**
 * The order that puts each class's images from the largest to the smallest log-determinant: samples where it is
 * abnormally large look blurred (figure 8). Classes keep their order.
 * @param labels class by class
 */
export function rankByLogDet(labels: readonly number[], logDets: readonly number[]): number[] {
  return labels
    .map((_, i) => i)
    .sort(
      (a, b) =>
        labels.indexOf(labels[a]!) - labels.indexOf(labels[b]!) || logDets[b]! - logDets[a]!,
    );
}

/** Images of `size` bytes each, in another order. */
export function reorderImages(images: Uint8Array, order: readonly number[]): Uint8Array {
  const size = images.length / order.length;
  const result = new Uint8Array(images.length);
  order.forEach((from, to) => {
    result.set(images.subarray(from * size, (from + 1) * size), to * size);
  });
  return result;
}
