import {
  argmax,
  gaussianMixtureLogProb,
  iota,
  map,
  max,
  reshape,
  scope,
  type RandomStream,
  type Tensor,
} from '@farmer/tensor';
import { pick, propose, type GuidedMixtures } from './guidance-candidates.ts';

/**
 * Naive guidance, by rejection, as GIVT and JetFormer do: draw from p_c and accept with probability proportional to
 * the guided density's ratio p'/p_c = (p_c / p_u)^w.
 */
export interface NaiveGuidance {
  readonly kind: 'naive';
  readonly weight: number;
  /** Draws a value; the largest ratio among them serves as the bound, so that one is always accepted. */
  readonly tries: number;
}

/** Draws [B, n, d]: the first accepted of `tries` draws. */
export function drawNaively(
  mixtures: GuidedMixtures,
  { weight, tries }: NaiveGuidance,
  random: RandomStream,
  spread: number,
): Tensor {
  return scope(() => {
    const { conditional, unconditional, values, components } = mixtures;
    const shape = [conditional.shape[0]!, values, tries];
    const candidates = propose(
      mixtures,
      conditional,
      tries,
      { logitScale: 1, scale: spread },
      random,
    );
    const options = { components, scale: spread };
    const c = reshape(gaussianMixtureLogProb(candidates, conditional, options), shape);
    const u = reshape(gaussianMixtureLogProb(candidates, unconditional, options), shape);
    const logRatio = map('weight * (max(c, -1e30) - max(u, -1e30))', { weight, c, u });
    const bound = max(logRatio, { axes: [2], keepDims: true });
    // Earlier draws rank higher, rejected ones lowest.
    const rank = map('where(log(v) <= ratio - bound, -index, -1e9)', {
      ...{ v: random.uniform(shape), ratio: logRatio, bound },
      index: iota(tries, 'i32'),
    });
    return pick(candidates, argmax(rank, { axis: 2 }), mixtures);
  });
}
