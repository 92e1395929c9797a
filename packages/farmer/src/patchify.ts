import { formatShape, permute, reshape, sameShape, ShapeError, type Tensor } from '@farmer/tensor';
import type { ModelConfig } from './config.ts';
import { paddedSize } from './dimensions.ts';

type Layout = Pick<ModelConfig, 'image' | 'patch'>;

/**
 * Padded images [B, H, W, C] to tokens [B, N, d] in raster order; a token holds its patch as [C, p, p].
 * @throws ShapeError for images of another size, or with channels first
 */
export function patchify(images: Tensor, layout: Layout): Tensor {
  const { height, width } = paddedSize(layout);
  const {
    patch,
    image: { channels },
  } = layout;
  const expected = [height, width, channels];
  if (images.rank !== 4 || !sameShape(images.shape.slice(1), expected)) {
    throw new ShapeError(
      `patchify: images are ${formatShape(images.shape)}, expected [B, ${expected.join(', ')}]: channels last, and sides padded to multiples of the patch`,
    );
  }
  const [rows, columns] = [height / patch, width / patch];
  const split = reshape(images, [-1, rows, patch, columns, patch, channels]);
  const grouped = permute(split, [0, 1, 3, 5, 2, 4]); // [B, rows, columns, C, p, p]
  return reshape(grouped, [-1, rows * columns, channels * patch * patch]);
}

/** The inverse of `patchify`: tokens [B, N, d] to images [B, H, W, C]. */
export function unpatchify(tokens: Tensor, layout: Layout): Tensor {
  const { height, width } = paddedSize(layout);
  const {
    patch,
    image: { channels },
  } = layout;
  const [rows, columns] = [height / patch, width / patch];
  const grouped = reshape(tokens, [-1, rows, columns, channels, patch, patch]);
  const split = permute(grouped, [0, 1, 4, 2, 5, 3]); // [B, rows, p, columns, p, C]
  return reshape(split, [-1, height, width, channels]);
}
