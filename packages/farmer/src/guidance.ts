import {
  concat,
  gaussianMixtureLogProb,
  map,
  reshape,
  scope,
  tensor,
  type RandomStream,
  type Tensor,
} from '@farmer/tensor';
import { joinPools, pick, propose, type GuidedMixtures } from './guidance-candidates.ts';
import { drawNaively, type NaiveGuidance } from './guidance-naive.ts';

/**
 * Resampling-based classifier-free guidance (section 3.4, algorithm 1), towards
 * log p'(z) = log p_u(z) + (w + 1)(log p_c(z) − log p_u(z)).
 */
export interface ResamplingGuidance {
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

export type Guidance = ResamplingGuidance | NaiveGuidance;

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

const published = (
  weight: number,
  scale: number,
  weighingLogitScale: number,
  weighingScale: number,
) => ({
  ...exactResampling,
  ...{ weight, scale, weighingLogitScale, weighingScale, sharpness: 1.1 },
});

/** Table 6: s_c = s_u = 5, T_s = 1.1 and T_π = 1 in all. Redundant pools are larger; their size is our choice. */
export const guidancePresets = {
  'farmer-1.1b': published(2.5, 0.9, 0.2, 0.9),
  'farmer-1.1b-patch8': published(2.0, 1.0, 0.2, 0.9),
  'farmer-1.9b': published(3.5, 0.9, 0.2, 0.9),
  'farmer-1.9b-patch8': published(1.5, 1.0, 0.1, 1.0),
} satisfies Record<string, ResamplingGuidance>;

/** Values that keep the largest tensor of a step, candidates × components, below some 64 MiB. */
const mostCandidateTerms = 2 ** 24;

/**
 * Draws [B, n, d] under guidance; each value has its own fresh candidates.
 * @param spread multiplies standard deviations beside T_σ (figure 7)
 */
export function drawGuided(
  mixtures: GuidedMixtures,
  guidance: Guidance,
  random: RandomStream,
  spread = 1,
): Tensor {
  const { conditional, values, components } = mixtures;
  const perValue =
    conditional.shape[0]! * candidateCount(guidance, mixtures.redundant) * components;
  const chunk = Math.max(1, Math.min(values, Math.floor(mostCandidateTerms / perValue)));
  const parts: Tensor[] = [];
  for (let start = 0; start < values; start += chunk) {
    const part = { ...mixtures, values: Math.min(chunk, values - start) };
    parts.push(
      guidance.kind === 'naive'
        ? drawNaively(part, guidance, random, spread)
        : resample(part, guidance, random, spread),
    );
  }
  return parts.length === 1 ? parts[0]! : concat(parts, 1);
}

function candidateCount(guidance: Guidance, redundant: boolean): number {
  if (guidance.kind === 'naive') return guidance.tries;
  const { conditional, unconditional, redundantConditional, redundantUnconditional } = guidance;
  return redundant ? redundantConditional + redundantUnconditional : conditional + unconditional;
}

/** Propose, weigh, resample. */
function resample(
  mixtures: GuidedMixtures,
  guidance: ResamplingGuidance,
  random: RandomStream,
  spread: number,
): Tensor {
  return scope(() => {
    const { conditional, unconditional, components } = mixtures;
    const { redundant } = mixtures;
    const fromC = redundant ? guidance.redundantConditional : guidance.conditional;
    const fromU = redundant ? guidance.redundantUnconditional : guidance.unconditional;
    const proposal = {
      logitScale: guidance.logitScale,
      scale: guidance.scale * spread,
    };
    if (guidance.weight === 0) return propose(mixtures, conditional, 1, proposal, random);

    // 1. Propose s_c candidates from p_c and s_u from p_u: [B, n·s, d].
    const pools = [
      ...(fromC > 0 ? [propose(mixtures, conditional, fromC, proposal, random)] : []),
      ...(fromU > 0 ? [propose(mixtures, unconditional, fromU, proposal, random)] : []),
    ];
    const candidates = joinPools(pools, mixtures);

    // 2. Weigh them under the weighing temperatures: [B, n, s].
    const weighing = {
      components,
      logitScale: guidance.weighingLogitScale,
      scale: guidance.weighingScale * spread,
    };
    const shape = [conditional.shape[0]!, mixtures.values, fromC + fromU];
    const logC = reshape(gaussianMixtureLogProb(candidates, conditional, weighing), shape);
    const logU = reshape(gaussianMixtureLogProb(candidates, unconditional, weighing), shape);
    const logits = candidateLogits(logC, logU, fromC, guidance);

    // 3. Resample one.
    return pick(candidates, random.categorical(logits), mixtures);
  });
}

/** T_s · log ω of each candidate; the first `fromConditional` of a pool come from p_c. [..., s] */
export function candidateLogits(
  logC: Tensor,
  logU: Tensor,
  fromConditional: number,
  { weight, sharpness, weighing }: Pick<ResamplingGuidance, 'weight' | 'sharpness' | 'weighing'>,
): Tensor {
  const total = logC.shape.at(-1)!;
  const w = tensor(
    Float32Array.from({ length: total }, (_, i) =>
      weighing === 'algorithm' && i >= fromConditional ? weight + 1 : weight,
    ),
  );
  const inputs = { c: finite(logC), u: finite(logU), sharpness, weight };
  if (weighing !== 'balance') return map('sharpness * w * (c - u)', { ...inputs, w });
  // log p' − log(share · p_c + (1 − share) · p_u)
  return map(
    'sharpness * (u + (weight + 1) * (c - u) - max(c, u) - ' +
      'log(share * exp(c - max(c, u)) + (1 - share) * exp(u - max(c, u))))',
    { ...inputs, share: fromConditional / total },
  );
}

/** Far beyond any log-density, and finite, so that −∞ under both mixtures gives no NaN. */
function finite(logProb: Tensor): Tensor {
  return map('max(x, -1e30)', { x: logProb });
}

/** @throws Error naming the first setting that is out of range */
export function checkGuidance(guidance: Guidance): void {
  const fail = (name: string, expected: string): never => {
    throw new Error(`guidance: ${name} is out of range; expected ${expected}`);
  };
  if (!(Number.isFinite(guidance.weight) && guidance.weight >= 0))
    fail('weight', 'a number from 0 up');
  if (guidance.kind === 'naive') {
    if (!(Number.isInteger(guidance.tries) && guidance.tries > 0))
      fail('tries', 'a whole number from 1 up');
    return;
  }
  const counts = [
    'conditional',
    'unconditional',
    'redundantConditional',
    'redundantUnconditional',
  ] as const;
  for (const name of counts) {
    if (!(Number.isInteger(guidance[name]) && guidance[name] >= 0))
      fail(name, 'a whole number from 0 up');
  }
  if (guidance.conditional + guidance.unconditional === 0)
    fail('conditional', 'at least one candidate');
  if (guidance.redundantConditional + guidance.redundantUnconditional === 0) {
    fail('redundantConditional', 'at least one candidate');
  }
}
