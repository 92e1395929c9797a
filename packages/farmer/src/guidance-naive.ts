import { argmax, iota, map, max, scope, type RandomSource, type Tensor } from '@farmer/tensor';
import {
  densities,
  logRatio,
  pick,
  propose,
  type GuidedMixtures,
  type Temperatures,
} from './guidance-candidates.ts';

/**
 * Naive guidance, by rejection, after GIVT and JetFormer: draw from p_c and accept with probability proportional to the
 * guided density's ratio p'/p_c = (p_c / p_u)^w. GIVT narrows each to one component and proposes from a wider normal,
 * channel by channel; here the whole mixtures take part.
 */
export interface NaiveGuidance {
  readonly kind: 'naive';
  /** w; 0 accepts the first draw. */
  readonly weight: number;
  /**
   * Draws a value. The ratio has no known bound: the largest one among the draws serves as it (empirical supremum
   * rejection sampling), so that one of them is always accepted; with few tries the result lies between p_c and p'.
   */
  readonly tries: number;
}

/** Draws [B, n, d]: the first accepted of `tries` draws. */
export function drawNaively(
  mixtures: GuidedMixtures,
  { weight, tries }: NaiveGuidance,
  random: RandomSource,
  temperatures: Temperatures,
): Tensor {
  return scope(() => {
    const candidates = propose(mixtures, mixtures.conditional, tries, temperatures, random);
    const [logC, logU] = densities(candidates, mixtures, temperatures); // [B, n, tries]
    const ratio = map('weight * r', { weight, r: logRatio(logC, logU) });
    const bound = max(ratio, { axes: [2], keepDims: true });
    // Earlier draws rank higher, rejected ones lowest.
    const rank = map('where(log(v) <= ratio - bound, -index, -1e9)', {
      ...{ v: random.uniform(ratio.shape), ratio, bound },
      index: iota(tries, 'f32'),
    });
    return pick(candidates, argmax(rank, { axis: 2 }), mixtures);
  });
}
