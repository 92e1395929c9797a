import {
  concat,
  fill,
  reshape,
  sampleGaussianMixture,
  scope,
  tensor,
  type RandomStream,
  type Tensor,
} from '@farmer/tensor';
import { createKeyValueCache } from '@farmer/nn';
import type { SplitTokens } from './dimension-split.ts';
import { GaussianPrior } from './gaussian-prior.ts';
import { halves } from './guidance-candidates.ts';
import { checkGuidance, drawGuided, type Guidance } from './guidance.ts';
import type { InvertibleMap } from './invertible-map.ts';
import type { Farmer } from './model.ts';

/** Temperatures of plain sampling; all 1 draws from the model itself. */
export interface SamplingOptions {
  /** T_π multiplies mixture logits. */
  readonly logitScale?: number;
  /** T_σ multiplies component standard deviations. */
  readonly scale?: number;
  /** Multiplies the standard deviations of the redundant channels (figure 7). */
  readonly redundantScale?: number;
  /** Classifier-free guidance, which brings temperatures of its own. */
  readonly guidance?: Guidance | undefined;
}

/**
 * Draws Z by ancestral sampling (section 3.4): the informative tokens one after another, then all redundant tokens
 * from the mixture that they share. In reading order.
 * @param labels i32 [B]
 */
export function sampleLatents(
  model: Farmer,
  labels: Tensor,
  random: RandomStream,
  options: SamplingOptions = {},
): SplitTokens {
  if (model.prior instanceof GaussianPrior) {
    return model.prior.sample(labels.size, random, options.scale);
  }
  return scope(() => {
    const ar = model.requireAr();
    const { components, sharedComponents, conditionRepeat } = model.config;
    const { tokens, informative, redundant } = model.dimensions;
    const { scale = 1, redundantScale = 1, guidance } = options;
    const batch = labels.size;
    // With guidance, the conditional and the unconditional pass are the halves of one batch of 2B.
    const copies = guidance ? 2 : 1;
    const nulls = fill([batch], model.nullClass, 'i32');
    const classes = guidance ? concat([labels, nulls], 0) : labels;
    const { width, blocks } = ar.transformer;
    const length = conditionRepeat + tokens;
    const caches = createKeyValueCache(copies * batch, length, width, blocks.length);
    const position = tensor([0], [1], 'u32');
    const draw = valueDrawer(batch, random, options);

    let heads = ar.start(classes, caches, position);
    const drawn: Tensor[] = [];
    for (let i = 0; i < tokens; i++) {
      const { token, next } = scope(() => {
        const token = draw(heads, { values: 1, channels: informative, components }, scale);
        const read = guidance ? concat([token, token], 0) : token;
        return { token, next: ar.next(read, i, caches, position) };
      });
      heads.dispose();
      heads = next;
      drawn.push(token);
    }
    const drawRedundant = () =>
      ar.sharedHead
        ? draw(
            heads,
            { values: tokens, channels: redundant, components: sharedComponents, redundant: true },
            scale * redundantScale,
          )
        : random.normal([batch, tokens, redundant], 0, scale * redundantScale);
    return {
      informative: concat(drawn, 1),
      redundant: redundant > 0 ? drawRedundant() : undefined,
    };
  });
}

interface Values {
  readonly values: number;
  readonly channels: number;
  readonly components: number;
  readonly redundant?: boolean;
}

/** How values [B, n, d] are drawn from packed heads: plainly from [B, …], or under guidance from [2B, …]. */
function valueDrawer(batch: number, random: RandomStream, options: SamplingOptions) {
  const { guidance, logitScale = 1 } = options;
  if (guidance) checkGuidance(guidance);
  return (heads: Tensor, { redundant = false, ...size }: Values, scale: number): Tensor => {
    if (guidance) {
      const mixtures = halves(reshape(heads, [2 * batch, -1]));
      return drawGuided({ ...mixtures, ...size, redundant }, guidance, random, scale);
    }
    const { values, channels, components } = size;
    return sampleGaussianMixture(
      reshape(heads, [batch, -1]),
      random.uniform([batch, values]),
      random.normal([batch, values, channels]),
      { components, logitScale, scale },
    );
  };
}

/**
 * Draws images, as the pixel map's values [B, H, W, C]: Z from the AR model, then X = F⁻¹(Z).
 * @param flow whose inverse to use; a student's is quick and approximate
 */
export function sampleImages(
  model: Farmer,
  labels: Tensor,
  random: RandomStream,
  options: SamplingOptions = {},
  flow: Pick<InvertibleMap, 'inverse'> = model.flow,
): Tensor {
  return scope(() => {
    const z = model.join(sampleLatents(model, labels, random, options));
    return model.images(flow.inverse(z));
  });
}
