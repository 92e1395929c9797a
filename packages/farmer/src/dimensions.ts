import type { ModelConfig } from './config.ts';

/** Sizes that follow from a model's configuration. */
export interface Dimensions {
  /** N = (H/p)(W/p) tokens of the padded image. */
  readonly tokens: number;
  /** d = C·p² channels of a token. */
  readonly channels: number;
  /** dᴵ */
  readonly informative: number;
  /** dᴿ = d − dᴵ */
  readonly redundant: number;
  /** N·d values of the padded image, what the flow sees. */
  readonly values: number;
  /** D = H·W·C values of the image itself. */
  readonly imageValues: number;
}

/** N, d, dᴵ, dᴿ and D of a model. */
export function dimensions(config: ModelConfig): Dimensions {
  const { image, patch, informativeChannels } = config;
  const { height, width } = paddedSize(config);
  const perToken = image.channels * patch * patch;
  return {
    tokens: (height / patch) * (width / patch),
    channels: perToken,
    informative: informativeChannels,
    redundant: perToken - informativeChannels,
    values: height * width * image.channels,
    imageValues: image.height * image.width * image.channels,
  };
}

/** The image's sides, rounded up to multiples of the patch. */
export function paddedSize({ image, patch }: Pick<ModelConfig, 'image' | 'patch'>): {
  height: number;
  width: number;
} {
  const roundUp = (side: number) => Math.ceil(side / patch) * patch;
  return { height: roundUp(image.height), width: roundUp(image.width) };
}
