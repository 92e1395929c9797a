import {
  concat,
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
    const { logitScale = 1, scale = 1, redundantScale = 1 } = options;
    const batch = labels.size;
    const { width, blocks } = ar.transformer;
    const caches = createKeyValueCache(batch, conditionRepeat + tokens, width, blocks.length);
    const position = tensor([0], [1], 'u32');

    const draw = (head: Tensor, n: number, d: number, k: number, spread: number) =>
      sampleGaussianMixture(
        reshape(head, [batch, -1]),
        random.uniform([batch, n]),
        random.normal([batch, n, d]),
        { components: k, logitScale, scale: spread },
      ); // [B, n, d]

    let head = ar.start(labels, caches, position);
    const drawn: Tensor[] = [];
    for (let i = 0; i < tokens; i++) {
      const { token, next } = scope(() => {
        const token = draw(head, 1, informative, components, scale);
        return { token, next: ar.next(token, i, caches, position) };
      });
      head.dispose();
      head = next;
      drawn.push(token);
    }
    const drawRedundant = () => {
      const spread = scale * redundantScale;
      return ar.sharedHead
        ? draw(head, tokens, redundant, sharedComponents, spread)
        : random.normal([batch, tokens, redundant], 0, spread);
    };
    return {
      informative: concat(drawn, 1),
      redundant: redundant > 0 ? drawRedundant() : undefined,
    };
  });
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
