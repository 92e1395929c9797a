import { cropImages, isPadded, padImages, patchPadding } from './data/padding.ts';
import type { PixelMap } from './dequantize.ts';
import type { PixelDistribution } from './histogram.ts';

/**
 * For images whose sides are no multiples of the patch: copies of the edge pixels go around them on the way to the flow,
 * and are cut off on the way back. The copies are data to the flow, with noise of their own, so an image's likelihood
 * counts them; per dimension of the image itself it is an upper bound, −log p(x) ≤ −log p(x, copies).
 *
 * @param histogram of the images as they are
 * @param mapOf makes the map of padded images from their histogram
 */
export function paddedPixels(
  histogram: PixelDistribution,
  patch: number,
  mapOf: (padded: PixelDistribution) => PixelMap,
): PixelMap {
  const { height, width, channels } = histogram;
  const padding = patchPadding(height, width, patch);
  if (!isPadded(padding)) return mapOf(histogram);
  const { top, bottom, left, right } = padding;
  const map = mapOf({
    height: height + top + bottom,
    width: width + left + right,
    channels,
    // Read by the CDF layer alone; a map of raw pixels, made anew as its noise falls, must not pay for it.
    get pmf() {
      return padImages(histogram.pmf, { height, width, depth: channels * 256 }, padding);
    },
  });
  const layout = { height, width, depth: channels };
  const pad = (images: Uint8Array) => padImages(images, layout, padding);
  return {
    forward: (images, noise) => map.forward(pad(images), noise),
    logDets: (images, values) => map.logDets(pad(images), values),
    inverse: (values) => cropImages(map.inverse(values), layout, padding),
  };
}
