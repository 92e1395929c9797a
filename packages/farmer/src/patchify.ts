import { permute, reshape, type Tensor } from '@farmer/tensor';
import type { ModelConfig } from './config.ts';
import { paddedSize } from './dimensions.ts';

type Layout = Pick<ModelConfig, 'image' | 'patch'>;

/** Padded images [B, H, W, C] to tokens [B, N, d] in raster order; a token holds its patch as [C, p, p]. */
export function patchify(images: Tensor, layout: Layout): Tensor {
  const { height, width } = paddedSize(layout);
  const {
    patch,
    image: { channels },
  } = layout;
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
