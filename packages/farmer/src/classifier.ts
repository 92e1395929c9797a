import { concat, map, pad, permute, reshape, scope, sliceBlock, type Tensor } from '@farmer/tensor';
import { Init, LayerNorm, Linear, Module } from '@farmer/nn';
import type { ImageShape } from './data/image-dataset.ts';

export interface ClassifierConfig {
  readonly image: ImageShape;
  readonly classes: number;
  /** Channels of a hidden state, and the number of features that the metrics see. */
  readonly width: number;
  /** Residual blocks. */
  readonly blocks: number;
}

/** Channels after the stem, at half the image's resolution. */
const STEM_WIDTH = 32;

/**
 * A small convolutional classifier of images, the measuring instrument of the sample metrics. Convolutions are Linear
 * layers on gathered pixels: `mergeSquares` for stride 2, `neighbourhoods` for 3 × 3.
 */
export class Classifier extends Module {
  readonly config: ClassifierConfig;
  readonly stem: Linear;
  readonly merge: Linear;
  readonly blocks: readonly ConvolutionBlock[];
  readonly outputNorm: LayerNorm;
  /** All positions to the features. */
  readonly gather: Linear;
  readonly head: Linear;

  /** @throws RangeError unless the image's sides are multiples of 4, and there are classes to tell apart */
  constructor(config: ClassifierConfig, seed: number) {
    super();
    const { image, classes, width, blocks } = config;
    if (image.height % 4 !== 0 || image.width % 4 !== 0) {
      throw new RangeError(
        `a classifier needs images whose sides are multiples of 4, got ${image.height} × ${image.width}`,
      );
    }
    if (classes < 2) throw new RangeError(`a classifier needs 2 classes or more, got ${classes}`);
    const init = new Init(seed);
    this.config = config;
    this.stem = new Linear(init, 9 * 4 * image.channels, STEM_WIDTH);
    this.merge = new Linear(init, 4 * STEM_WIDTH, width);
    this.blocks = Array.from({ length: blocks }, () => new ConvolutionBlock(init, width));
    this.outputNorm = new LayerNorm(init, width);
    this.gather = new Linear(init, (image.height / 4) * (image.width / 4) * width, width);
    this.head = new Linear(init, width, classes);
  }

  /**
   * What a Fréchet distance and the nearest-neighbour metrics compare: the activations before the head.
   * @param images [B, H, W, C], 0 … 1
   * @returns [B, width]
   */
  features(images: Tensor): Tensor {
    return scope(() => {
      const pixels = neighbourhoods(mergeSquares(images)); // [B, H/2, W/2, 36 C]
      const stem = this.stem.forward(pixels, { activation: 'geluTanh' });
      const merged = this.merge.forward(mergeSquares(stem)); // [B, H/4, W/4, width]
      const h = this.blocks.reduce((x, block) => block.forward(x), merged);
      // Not their mean, which loses the layout: 8 epochs took it to 88.9 % of Fashion-MNIST, and this to 92.0 %.
      const positions = reshape(this.outputNorm.forward(h), [images.shape[0]!, -1]);
      return this.gather.forward(positions, { activation: 'geluTanh' });
    });
  }

  /**
   * @param features [B, width], from `features`
   * @returns logits [B, classes]
   */
  classify(features: Tensor): Tensor {
    return this.head.forward(features);
  }
}

/** x + W · gelu-activated 3 × 3 neighbourhoods of LN x. */
class ConvolutionBlock extends Module {
  readonly norm: LayerNorm;
  readonly convolution: Linear;

  constructor(init: Init, width: number) {
    super();
    this.norm = new LayerNorm(init, width);
    this.convolution = new Linear(init, 9 * width, width);
  }

  /** @param x [B, H, W, width] */
  forward(x: Tensor): Tensor {
    const active = map('geluTanh(h)', { h: this.norm.forward(x) });
    return this.convolution.forward(neighbourhoods(active), { residual: x });
  }
}

/** Each 2 × 2 square's channels side by side: [B, H, W, C] to [B, H/2, W/2, 4C]. */
export function mergeSquares(x: Tensor): Tensor {
  const [, height, width, channels] = x.shape as [number, number, number, number];
  const split = reshape(x, [-1, height / 2, 2, width / 2, 2, channels]);
  return reshape(permute(split, [0, 1, 3, 2, 4, 5]), [-1, height / 2, width / 2, 4 * channels]);
}

/** Each position's 3 × 3 neighbourhood, zeros beyond the border: [B, H, W, C] to [B, H, W, 9C]. */
export function neighbourhoods(x: Tensor): Tensor {
  const padded = pad(x, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  const shifted = Array.from({ length: 9 }, (_, i) =>
    sliceBlock(padded, [0, Math.floor(i / 3), i % 3, 0], x.shape),
  );
  return concat(shifted, 3);
}
