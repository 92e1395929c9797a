import {
  assign,
  cacheWrite,
  concat,
  fill,
  RandomSource,
  reshape,
  scope,
  tensor,
  zeros,
  type RandomStream,
  type Tensor,
} from '@farmer/tensor';
import type { SplitTokens } from './dimension-split.ts';
import { GaussianPrior } from './gaussian-prior.ts';
import {
  checkTemperatures,
  halves,
  propose,
  type GuidedMixtures,
  type Temperatures,
} from './guidance-candidates.ts';
import { checkGuidance, drawGuided, proposing, type Guidance } from './guidance.ts';
import type { InvertibleMap } from './invertible-map.ts';
import { checkLabels } from './labels.ts';
import type { Farmer } from './model.ts';
import { advance, repeatStep, rowAt, type DecodingOptions } from './repeat-step.ts';

/** How to draw from a model; all temperatures 1 and no guidance draws from the model itself. */
export interface SamplingOptions extends DecodingOptions, Partial<Temperatures> {
  /** T_π multiplies mixture logits. */
  readonly logitScale?: number;
  /** T_σ multiplies component standard deviations. */
  readonly scale?: number;
  /** Multiplies the standard deviations of the redundant channels (figure 7). */
  readonly redundantScale?: number;
  /** Classifier-free guidance; the temperatures above multiply those that it brings. */
  readonly guidance?: Guidance | undefined;
}

const NO_AR_MODEL =
  'this model has no AR Transformer, its prior is N(0, I): there is no class to guide by and no mixture whose logits or redundant part to scale; draw without guidance, logitScale and redundantScale, or train with model.prior "ar"';
const NO_REDUNDANT =
  'this model has no redundant channels to scale (model.informativeChannels says that all are informative): draw without redundantScale';

/**
 * Draws Z by ancestral sampling: the informative tokens one after another, then all redundant tokens from the mixture
 * that they share.
 * @param labels i32 [B]
 * @returns Zᴵ [B, N, dᴵ] and Zᴿ [B, N, dᴿ] in reading order
 * @throws ShapeError for other labels, RangeError for a temperature or a setting of the guidance out of range
 * @throws Error for guidance or a scale of what the model has not: redundant channels, or more than a plain Gaussian prior
 */
export function sampleLatents(
  model: Farmer,
  labels: Tensor,
  random: RandomStream,
  options: SamplingOptions = {},
): SplitTokens {
  const { scale = 1, redundantScale = 1, logitScale = 1, guidance } = options;
  checkLabels(labels);
  checkTemperatures({ logitScale, scale, redundantScale });
  if (guidance) checkGuidance(guidance);
  const isGuided = guidance !== undefined && guidance.weight > 0;
  // Where p_c = p_u, guidance weighs nothing, and of it only the temperatures of proposals are left.
  const normalScale = guidance ? proposing(guidance, { logitScale, scale }).scale : scale;
  if (model.prior instanceof GaussianPrior) {
    if (isGuided || logitScale !== 1 || redundantScale !== 1) throw new Error(NO_AR_MODEL);
    return model.prior.sample(labels.size, random, normalScale);
  }
  if (model.dimensions.redundant === 0 && redundantScale !== 1) throw new Error(NO_REDUNDANT);
  return scope(() => {
    const ar = model.requireAr();
    const { components, sharedComponents, conditionRepeat } = model.config;
    const { tokens, informative, redundant } = model.dimensions;
    const batch = labels.size;
    // With guidance, the conditional and the unconditional pass are the halves of one batch of 2B.
    const paired = (x: Tensor, other = x) => (isGuided ? concat([x, other], 0) : x);
    const classes = paired(labels, fill([batch], model.nullClass, 'i32'));
    const caches = ar.transformer.createCaches(classes.size, conditionRepeat + tokens);
    const position = tensor([0], [1], 'u32'); // in the sequence of the AR model, M + i
    const index = tensor([0], [1], 'u32'); // i, of the token to draw
    // Each token's own random numbers, whatever a step draws.
    const states = random.split(tokens); // [N, 4]
    const zInformative = zeros([batch, tokens, informative]);
    const hidden = ar.start(classes, caches, position); // [B, 1, W], or [2B, 1, W]
    repeatStep(
      tokens,
      () => {
        const token = drawValues(
          ar.predictToken(hidden),
          { values: 1, channels: informative, components, redundant: false },
          { guidance, temperatures: { logitScale, scale } },
          new RandomSource(reshape(rowAt(states, index, 0), [4])),
        ); // [B, 1, dᴵ]
        cacheWrite(zInformative, token, index);
        assign(hidden, ar.next(paired(token), caches, position));
        advance(index);
      },
      options,
    );
    if (redundant === 0) return { informative: zInformative, redundant: undefined };

    const shared = ar.predictShared(hidden); // [B, K_R(1 + 2dᴿ)], or [2B, …]
    const zRedundant = shared
      ? drawValues(
          shared,
          { values: tokens, channels: redundant, components: sharedComponents, redundant: true },
          { guidance, temperatures: { logitScale, scale: scale * redundantScale } },
          random,
        )
      : random.normal([batch, tokens, redundant], 0, normalScale * redundantScale);
    return { informative: zInformative, redundant: zRedundant };
  });
}

/**
 * Draws values [B, n, d] from packed mixtures.
 * @param heads [B, K(1 + 2d)]; under guidance with w > 0 [2B, …], the unconditional ones last
 */
function drawValues(
  heads: Tensor,
  size: Omit<GuidedMixtures, 'conditional' | 'unconditional'>,
  { guidance, temperatures }: { guidance: Guidance | undefined; temperatures: Temperatures },
  random: RandomSource,
): Tensor {
  if (!guidance) return propose(size, heads, 1, temperatures, random);
  const mixtures =
    guidance.weight > 0 ? halves(heads) : { conditional: heads, unconditional: heads };
  return drawGuided({ ...mixtures, ...size }, guidance, random, temperatures);
}

export interface ImageSamplingOptions extends SamplingOptions {
  /** Whose inverse to use; default the model's flow. A student's is quick and approximate. */
  readonly flow?: Pick<InvertibleMap, 'inverse'> | undefined;
}

/**
 * Draws images: Z from the model's prior, then X = F⁻¹(Z).
 * @param labels i32 [B]
 * @returns values of the pixel map, [B, H, W, C] with padding
 * @throws as `sampleLatents` does
 */
export function sampleImages(
  model: Farmer,
  labels: Tensor,
  random: RandomStream,
  { flow = model.flow, ...options }: ImageSamplingOptions = {},
): Tensor {
  return scope(() => {
    const z = model.join(sampleLatents(model, labels, random, options)); // [B, N, d]
    return model.images(flow.inverse(z));
  });
}
