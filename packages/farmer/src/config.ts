import { z } from 'zod';
import { formatImageShape, type ImageDataset } from './data/image-dataset.ts';
import { dimensions } from './dimensions.ts';
import { ConfigError, parseSchema } from './parse-schema.ts';

export { ConfigError };

const count = z.int().min(1);
// More than any model has; a mistyped number must not build modules until the memory is full.
const depth = count.max(1000);
const breadth = count.max(2 ** 16);
const patchSide = count.max(32);

const transformer = z.strictObject({
  layers: depth,
  /** Channels of a hidden state. */
  width: breadth,
  heads: count,
});

const modelSchema = z.strictObject({
  image: z.strictObject({
    height: count,
    width: count,
    channels: z.union([z.literal(1), z.literal(3)]),
  }),
  classes: count,
  /** Side p of a patch; a token has d = channels · p² values. Images are padded to multiples of it. */
  patch: patchSide,
  /**
   * What the flow sees. 'cdf': each pixel's empirical distribution made Gaussian, which trains well at small scale
   * (not in the paper). 'uniform': dequantised raw pixels. 'gaussian': raw pixels with Gaussian noise, as in the paper.
   */
  pixels: z.enum(['cdf', 'uniform', 'gaussian']),
  /** Fixed orthonormal transform of a patch before the channel split, low frequencies first. */
  patchTransform: z.enum(['dct', 'none']),
  /** The flow F: blocks that each hold a Transformer. */
  flow: transformer.extend({
    /**
     * 'affine-autoregressive': causal blocks, the paper's. 'jet': the baseline of table 4, whose blocks let one half
     * of a token's channels move the other, so that the inverse is one pass; the paper's FID is 19 times worse.
     */
    kind: z.enum(['affine-autoregressive', 'jet']).default('affine-autoregressive'),
    blocks: depth,
  }),
  /**
   * What the flow's output Z is under. 'ar': mixtures that the AR Transformer predicts, the paper's. 'gaussian':
   * N(0, I) with no AR model, which makes the whole a plain TARFlow; it knows no classes, and the keys of the AR model
   * and of the channel split then change nothing.
   */
  prior: z.enum(['ar', 'gaussian']).default('ar'),
  /** The autoregressive Transformer over informative channels. */
  ar: transformer,
  /**
   * What the redundant channels are under. 'conditional-mixture': one mixture predicted from all informative tokens
   * (section 3.3). 'independent-gaussian': N(0, I) whatever the image, as in JetFormer; the paper's FID is 7.81
   * against 5.67.
   */
  redundantPrior: z
    .enum(['conditional-mixture', 'independent-gaussian'])
    .default('conditional-mixture'),
  /** dᴵ; the other d − dᴵ channels are redundant. All d: no dimension reduction. */
  informativeChannels: count,
  /** K: mixture components of an informative token. */
  components: breadth,
  /** K_R: mixture components of the distribution that all redundant tokens share. */
  sharedComponents: breadth,
  /** M: copies of the class embedding in front of the sequence. */
  conditionRepeat: breadth,
  /** Whether the AR model reads against the direction of the last flow block (table 3). */
  finalPermutation: z.boolean(),
});

const trainingSchema = z.strictObject({
  steps: count,
  batch: count,
  peakLearningRate: z.number().positive(),
  /** The cosine schedule ends at this share of the peak. */
  finalLearningRate: z.number().min(0).max(1),
  warmup: z.int().min(0),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]),
  weightDecay: z.number().min(0),
  /** Largest global norm of the gradient. */
  clip: z.number().positive(),
  /** Probability that a label is replaced by the null class, for classifier-free guidance. */
  labelDropout: z.number().min(0).max(1),
  /** Standard deviation of the noise at the start and end of training, for pixels 'gaussian'. */
  noise: z.tuple([z.number().min(0), z.number().min(0)]),
  /**
   * Compute the insides of Transformer blocks again in the backward pass instead of keeping them (Chen et al. 2016):
   * the same gradients from a fraction of the memory, for a model or batch that does not fit otherwise. Off, since it
   * costs one more forward pass, a third of a step's time.
   */
  recompute: z.boolean().default(false),
});

export const configSchema = z.strictObject({ model: modelSchema, training: trainingSchema });
const modelOnly = configSchema.pick({ model: true });
const trainingOnly = configSchema.pick({ training: true });

export type FarmerConfig = z.infer<typeof configSchema>;
export type ModelConfig = FarmerConfig['model'];
export type TrainingConfig = FarmerConfig['training'];

/**
 * Checks a configuration read from a file or made from a preset and options.
 * @param source names it in errors
 * @throws ConfigError naming the first offending key, with the nearest known one
 */
export function parseConfig(value: unknown, source: string): FarmerConfig {
  const config = parseSchema(configSchema, value, source);
  checkModelFit(config.model, source);
  checkTrainingFit(config.training, source);
  return config;
}

/** `parseConfig` of a model's part alone. */
export function parseModelConfig(value: unknown, source: string): ModelConfig {
  const { model } = parseSchema(modelOnly, { model: value }, source);
  checkModelFit(model, source);
  return model;
}

/** `parseConfig` of the training's part alone. */
export function parseTrainingConfig(value: unknown, source: string): TrainingConfig {
  const { training } = parseSchema(trainingOnly, { training: value }, source);
  checkTrainingFit(training, source);
  return training;
}

function checkModelFit(model: ModelConfig, source: string): void {
  const { flow, ar } = model;
  const fail = (problem: string): never => {
    throw new ConfigError(`${source}: ${problem}`);
  };
  for (const [name, { width, heads }] of Object.entries({ flow, ar })) {
    if (width % heads !== 0)
      fail(`model.${name}.width ${width} is not a multiple of model.${name}.heads ${heads}`);
  }
  const { channels, informative } = dimensions(model);
  if (informative > channels)
    fail(
      `model.informativeChannels ${informative} is more than the ${channels} channels of a token`,
    );
  if (flow.kind === 'jet' && channels < 2)
    fail(
      `model.flow.kind "jet" splits a token's channels, of which there is 1: a larger model.patch would fit`,
    );
}

function checkTrainingFit({ warmup, steps }: TrainingConfig, source: string): void {
  if (warmup < steps) return;
  throw new ConfigError(
    `${source}: training.warmup ${warmup} is not less than training.steps ${steps}`,
  );
}

/**
 * Checks that a model takes a dataset's images, and knows its classes.
 * @throws ConfigError naming both
 */
export function checkDataset(model: ModelConfig, dataset: ImageDataset): void {
  checkImages(model, dataset);
  if (model.classes !== dataset.classes) {
    throw new ConfigError(
      `model.classes is ${model.classes}, but "${dataset.name}" has ${dataset.classes} classes`,
    );
  }
}

/**
 * Checks that a model takes a dataset's images, whatever their classes.
 * @throws ConfigError naming both sizes
 */
export function checkImages({ image }: ModelConfig, dataset: ImageDataset): void {
  const [wanted, found] = [image, dataset].map(formatImageShape);
  if (found !== wanted) {
    throw new ConfigError(
      `model.image is ${wanted}, but the images of "${dataset.name}" are ${found}`,
    );
  }
}
