import { ConfigError, type FarmerConfig, type TrainingConfig } from './config.ts';
import { nearestMatch } from './nearest-match.ts';
import { paperPresets } from './paper-presets.ts';

const mnist = { height: 28, width: 28, channels: 1 } as const;

// AdamW's betas and the noise are the paper's, which names no clip; the decay is smaller because the models are.
const training: Omit<TrainingConfig, 'steps' | 'batch' | 'peakLearningRate' | 'warmup'> = {
  finalLearningRate: 0.01,
  betas: [0.9, 0.95],
  weightDecay: 1e-4,
  clip: 1,
  labelDropout: 0.1,
  noise: [0.1, 0.005],
  recompute: false,
};

const common = {
  image: mnist,
  classes: 10,
  patch: 4,
  pixels: 'cdf',
  patchTransform: 'dct',
  prior: 'ar',
  redundantPrior: 'conditional-mixture',
  finalPermutation: true,
} as const;

const tinyModel: FarmerConfig['model'] = {
  ...common,
  flow: { kind: 'affine-autoregressive', blocks: 3, layers: 1, width: 48, heads: 3 },
  ar: { layers: 2, width: 64, heads: 4 },
  informativeChannels: 8,
  components: 8,
  sharedComponents: 16,
  conditionRepeat: 2,
};

const smallModel: FarmerConfig['model'] = {
  ...common,
  patch: 2,
  patchTransform: 'none',
  flow: { kind: 'affine-autoregressive', blocks: 4, layers: 2, width: 64, heads: 4 },
  ar: { layers: 3, width: 96, heads: 6 },
  informativeChannels: 4,
  components: 32,
  sharedComponents: 32,
  conditionRepeat: 4,
};

/** Named configurations: of MNIST, smallest first, of Twemoji, and the paper's. */
export const presets = {
  /** The tiny model for five minutes on two cores. */
  demo: {
    model: tinyModel,
    training: { ...training, steps: 2500, batch: 32, peakLearningRate: 4e-3, warmup: 100 },
  },
  /** 0.23M parameters, 9 TFLOP: 1.282 bits/dim on MNIST's test images. */
  tiny: {
    model: tinyModel,
    training: { ...training, steps: 4200, batch: 32, peakLearningRate: 4e-3, warmup: 200 },
  },
  /**
   * 0.84M parameters, 54 TFLOP, for likelihood: 1.082 bits/dim on MNIST's test images. Small patches, whose few channels
   * a mixture can describe jointly, all of them informative; as raw pixels, since the edges of the pixel map's bins lie
   * along them (docs/results compares).
   */
  small: {
    model: smallModel,
    training: { ...training, steps: 3000, batch: 16, peakLearningRate: 4e-3, warmup: 200 },
  },
  /** 2.1M parameters, 383 TFLOP: `small`, one and a half times as wide; 1.033 bits/dim on MNIST's test images. */
  medium: {
    model: {
      ...smallModel,
      flow: { kind: 'affine-autoregressive', blocks: 4, layers: 2, width: 96, heads: 6 },
      ar: { layers: 4, width: 144, heads: 6 },
    },
    training: { ...training, steps: 9000, batch: 16, peakLearningRate: 3e-3, warmup: 300 },
  },
  /** 5.9M parameters, for a large GPU. */
  base: {
    model: {
      ...common,
      flow: { kind: 'affine-autoregressive', blocks: 4, layers: 4, width: 128, heads: 4 },
      ar: { layers: 4, width: 192, heads: 6 },
      informativeChannels: 8,
      components: 64,
      sharedComponents: 200,
      conditionRepeat: 4,
    },
    training: { ...training, steps: 28000, batch: 256, peakLearningRate: 1e-3, warmup: 1000 },
  },
  /** 2.3M parameters, 55 TFLOP, for Twemoji (32 × 32, RGB): 47 epochs of its 1,686 images; 3.19 bits/dim on the others. */
  emoji: {
    model: {
      ...common,
      image: { height: 32, width: 32, channels: 3 },
      classes: 9,
      flow: { kind: 'affine-autoregressive', blocks: 4, layers: 2, width: 96, heads: 4 },
      ar: { layers: 3, width: 128, heads: 4 },
      informativeChannels: 16,
      components: 32,
      sharedComponents: 64,
      conditionRepeat: 4,
    },
    training: {
      ...training,
      steps: 2500,
      batch: 32,
      peakLearningRate: 2e-3,
      warmup: 125,
      weightDecay: 0.03,
    },
  },
  ...paperPresets,
} satisfies Record<string, FarmerConfig>;

export type PresetName = keyof typeof presets;

/** @throws ConfigError for an unknown name, with the nearest one */
export function preset(name: string): FarmerConfig {
  if (Object.hasOwn(presets, name)) return structuredClone(presets[name as PresetName]);
  const near = nearestMatch(name, Object.keys(presets));
  throw new ConfigError(
    `unknown preset "${name}"${near ? `; did you mean "${near}"?` : ''} (there are ${Object.keys(presets).join(', ')})`,
  );
}
