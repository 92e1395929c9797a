import type { FarmerConfig, ModelConfig } from './config.ts';

/**
 * The paper's models on ImageNet 256 × 256 (table 1). Built to be counted and to check that the code takes their
 * sizes; no result of ours was measured with them. `farmer info` tells which of the table's counts they reproduce.
 * What the paper measured (table 2, FID under the guidance of table 6): 1.1B patch 16 5.40, 1.9B patch 8 3.60.
 */
const model = {
  image: { height: 256, width: 256, channels: 3 },
  classes: 1000,
  patch: 16,
  pixels: 'gaussian',
  // The paper names none; without one the informative channels would be the patch's first pixels.
  patchTransform: 'dct',
  prior: 'ar',
  redundantPrior: 'conditional-mixture',
  // The paper gives no numbers of heads: 64 channels a head.
  flow: { kind: 'affine-autoregressive', blocks: 28, layers: 4, width: 768, heads: 12 },
  ar: { layers: 12, width: 768, heads: 12 },
  informativeChannels: 128,
  components: 64,
  sharedComponents: 200,
  conditionRepeat: 64,
  finalPermutation: true,
} as const satisfies ModelConfig;

const larger = {
  flow: { kind: 'affine-autoregressive', blocks: 32, layers: 6, width: 768, heads: 12 },
  ar: { layers: 24, width: 1024, heads: 16 },
} as const;

const training: FarmerConfig['training'] = {
  // 320 epochs of 1,281,167 images. Batch, label dropout and clip are not in the paper.
  steps: 1_601_459,
  batch: 256,
  peakLearningRate: 1e-4,
  finalLearningRate: 0.01,
  warmup: 5000,
  betas: [0.9, 0.95],
  weightDecay: 0.03,
  clip: 1,
  labelDropout: 0.1,
  noise: [0.1, 0.005],
  recompute: false,
};

export const paperPresets = {
  'farmer-1.1b': { model, training },
  /** N = 1024 tokens of d = 192: dᴿ = 64. */
  'farmer-1.1b-patch8': { model: { ...model, patch: 8 }, training },
  'farmer-1.9b': { model: { ...model, ...larger }, training },
  'farmer-1.9b-patch8': { model: { ...model, ...larger, patch: 8 }, training },
} satisfies Record<string, FarmerConfig>;
