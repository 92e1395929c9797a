import { gaussianMixtureLogProb, reshape, scope, type Tensor } from '@farmer/tensor';
import type { ArTransformer } from './ar-transformer.ts';
import type { ModelConfig } from './config.ts';
import type { SplitTokens } from './dimension-split.ts';
import { standardNormalLogProb } from './gaussian-prior.ts';
import { checkLabels } from './labels.ts';
import type { LatentLogLikelihood, Prior } from './prior.ts';

/** log P(Z | c) = log P(Zᴵ | c) + log P(Zᴿ | Zᴵ, c), under the mixtures of an AR Transformer (eq. 11, 14). */
export class AutoregressivePrior implements Prior {
  readonly #ar: ArTransformer;
  readonly #components: number;
  readonly #sharedComponents: number;

  constructor(ar: ArTransformer, { components, sharedComponents }: ModelConfig) {
    this.#ar = ar;
    this.#components = components;
    this.#sharedComponents = sharedComponents;
  }

  logLikelihood(parts: SplitTokens, labels: Tensor): LatentLogLikelihood {
    return scope(() => {
      const [batch, tokens, channels] = parts.informative.shape as [number, number, number];
      checkLabels(labels, batch);
      const predicted = this.#ar.forward(parts.informative, labels);
      const each = gaussianMixtureLogProb(
        reshape(parts.informative, [batch * tokens, 1, channels]),
        reshape(predicted.informative, [batch * tokens, -1]),
        { components: this.#components },
      );
      return {
        informative: reshape(each, [batch, tokens]),
        redundant: parts.redundant && this.#redundant(parts.redundant, predicted.shared),
      };
    });
  }

  /** @param shared the mixture of all redundant tokens; without one they are standard normal */
  #redundant(tokens: Tensor, shared: Tensor | undefined): Tensor {
    if (!shared) return standardNormalLogProb(tokens);
    return gaussianMixtureLogProb(tokens, shared, { components: this.#sharedComponents });
  }
}
