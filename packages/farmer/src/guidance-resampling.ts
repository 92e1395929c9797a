import { iota, map, scope, type RandomSource, type Tensor } from '@farmer/tensor';
import {
  combined,
  densities,
  joinPools,
  logRatio,
  pick,
  propose,
  type GuidedMixtures,
  type Temperatures,
} from './guidance-candidates.ts';

/**
 * Resampling-based classifier-free guidance (section 3.4, algorithm 1), towards
 * log p'(z) = log p_u(z) + (w + 1)(log p_c(z) − log p_u(z)).
 */
export interface ResamplingGuidance extends Temperatures {
  readonly kind: 'resampling';
  /** w; 0 draws from the conditional mixture itself. */
  readonly weight: number;
  /** s_c and s_u: candidates of an informative token from the conditional and the unconditional mixture. */
  readonly conditional: number;
  readonly unconditional: number;
  /** The same for a redundant token. */
  readonly redundantConditional: number;
  readonly redundantUnconditional: number;
  /** T_π multiplies the logits of the mixtures that propose; T_σ their standard deviations. */
  readonly logitScale: number;
  readonly scale: number;
  /** T_{π,v} and T_{σ,v}: the same for the mixtures that weigh. */
  readonly weighingLogitScale: number;
  readonly weighingScale: number;
  /** T_s multiplies the log-weights. */
  readonly sharpness: number;
  /**
   * 'algorithm': w for candidates from p_c and w + 1 for those from p_u (algorithm 1). 'appendix': w for all (A.2, wrong
   * for candidates from p_u). 'balance': p' over the mixture of both proposals, the balance heuristic.
   */
  readonly weighing: 'algorithm' | 'appendix' | 'balance';
}

/** Algorithm 1 with all temperatures 1: asymptotically exact in the number of candidates. */
export const exactResampling: ResamplingGuidance = {
  kind: 'resampling',
  weight: 1,
  conditional: 5,
  unconditional: 5,
  redundantConditional: 10,
  redundantUnconditional: 10,
  logitScale: 1,
  scale: 1,
  weighingLogitScale: 1,
  weighingScale: 1,
  sharpness: 1,
  weighing: 'algorithm',
};

/** s_c and s_u of a token. */
export function poolSizes(
  guidance: ResamplingGuidance,
  redundant: boolean,
): readonly [number, number] {
  return redundant
    ? [guidance.redundantConditional, guidance.redundantUnconditional]
    : [guidance.conditional, guidance.unconditional];
}

/** Draws [B, n, d]: propose, weigh, resample. */
export function drawByResampling(
  mixtures: GuidedMixtures,
  guidance: ResamplingGuidance,
  random: RandomSource,
  temperatures: Temperatures,
): Tensor {
  return scope(() => {
    const { conditional, unconditional } = mixtures;
    const [fromC, fromU] = poolSizes(guidance, mixtures.redundant);
    const { weighingLogitScale: logitScale, weighingScale: scale } = guidance;
    const proposing = combined(guidance, temperatures); // T_π, T_σ
    const weighing = combined({ logitScale, scale }, temperatures); // T_{π,v}, T_{σ,v}

    // 1. Propose s_c candidates from p_c and s_u from p_u: [B, n·s, d].
    const pools = [
      ...(fromC > 0 ? [propose(mixtures, conditional, fromC, proposing, random)] : []),
      ...(fromU > 0 ? [propose(mixtures, unconditional, fromU, proposing, random)] : []),
    ];
    const candidates = joinPools(pools, mixtures);

    // 2. Weigh them: [B, n, s].
    const [logC, logU] = densities(candidates, mixtures, weighing);
    const logits = candidateLogits(logC, logU, fromC, guidance);

    // 3. Resample one.
    return pick(candidates, random.categorical(logits), mixtures);
  });
}

/**
 * T_s · log ω of each candidate, [..., s], from its log-density under p_c and under p_u. The first `fromConditional`
 * of a pool come from p_c.
 */
export function candidateLogits(
  logC: Tensor,
  logU: Tensor,
  fromConditional: number,
  { weight, sharpness, weighing }: Pick<ResamplingGuidance, 'weight' | 'sharpness' | 'weighing'>,
): Tensor {
  const size = logC.shape.at(-1)!;
  return scope(() => {
    const r = logRatio(logC, logU);
    if (weighing === 'balance' && fromConditional > 0 && fromConditional < size) {
      // log p' − log(α p_c + (1 − α) p_u) = w r − log(α + (1 − α) e^−r), with α the share of candidates from p_c
      const share = fromConditional / size;
      const [a, b] = [Math.log(share), Math.log(1 - share)];
      return map('sharpness * (weight * r - max(a, b - r) - log1p(exp(-abs(a - b + r))))', {
        ...{ r, weight, sharpness, a, b },
      });
    }
    if (weighing === 'appendix') return map('sharpness * weight * r', { r, weight, sharpness });
    return map('sharpness * where(index < count, weight, weight + 1) * r', {
      ...{ r, weight, sharpness },
      ...{ index: iota(size, 'f32'), count: fromConditional },
    });
  });
}
