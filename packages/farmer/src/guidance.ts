import { concat, scope, type RandomSource, type Tensor } from '@farmer/tensor';
import {
  checkTemperatures,
  combined,
  propose,
  type GuidedMixtures,
  type Temperatures,
} from './guidance-candidates.ts';
import { drawNaively, type NaiveGuidance } from './guidance-naive.ts';
import { drawByResampling, poolSizes, type ResamplingGuidance } from './guidance-resampling.ts';

/** Classifier-free guidance: how to draw from p_c (p_c / p_u)^w, given the mixtures p_c and p_u. */
export type Guidance = ResamplingGuidance | NaiveGuidance;

/** What a step may hold of the candidates of all values at once: 64 MiB in its largest tensor. */
const mostCandidateTerms = 2 ** 24;

/**
 * Draws [B, n, d] under guidance; each value has candidates of its own. All of it happens on the device, so that a
 * captured step can draw.
 * @param temperatures of both mixtures, beside those of the guidance
 * @throws RangeError for a temperature out of range
 */
export function drawGuided(
  mixtures: GuidedMixtures,
  guidance: Guidance,
  random: RandomSource,
  temperatures: Temperatures = { logitScale: 1, scale: 1 },
): Tensor {
  checkTemperatures(temperatures);
  return scope(() => {
    const { conditional, values, components, channels } = mixtures;
    if (guidance.weight === 0) {
      // p' = p_c: one draw needs no weighing.
      return propose(mixtures, conditional, 1, proposing(guidance, temperatures), random);
    }
    const perValue =
      conditional.shape[0]! *
      candidateCount(guidance, mixtures.redundant) *
      Math.max(components, channels);
    const chunk = Math.max(1, Math.min(values, Math.floor(mostCandidateTerms / perValue)));
    const parts: Tensor[] = [];
    for (let start = 0; start < values; start += chunk) {
      const part = { ...mixtures, values: Math.min(chunk, values - start) };
      parts.push(
        guidance.kind === 'naive'
          ? drawNaively(part, guidance, random, temperatures)
          : drawByResampling(part, guidance, random, temperatures),
      );
    }
    return parts.length === 1 ? parts[0]! : concat(parts, 1);
  });
}

/** The temperatures of what is proposed: those given, times those that the guidance brings. */
export function proposing(guidance: Guidance, temperatures: Temperatures): Temperatures {
  return guidance.kind === 'naive' ? temperatures : combined(guidance, temperatures);
}

function candidateCount(guidance: Guidance, redundant: boolean): number {
  if (guidance.kind === 'naive') return guidance.tries;
  const [fromC, fromU] = poolSizes(guidance, redundant);
  return fromC + fromU;
}

/** @throws RangeError naming the first setting that is out of range */
export function checkGuidance(guidance: Guidance): void {
  check(guidance, 'weight', guidance.weight >= 0, 'a number from 0 up');
  if (guidance.kind === 'naive') {
    const { tries } = guidance;
    check(guidance, 'tries', Number.isInteger(tries) && tries > 0, 'a whole number from 1 up');
    return;
  }
  for (const name of pools.flat()) {
    const isCount = Number.isInteger(guidance[name]) && guidance[name] >= 0;
    check(guidance, name, isCount, 'a whole number from 0 up');
  }
  for (const [c, u] of pools) {
    check(guidance, c, guidance[c] + guidance[u] > 0, `at least one candidate with ${u}`);
  }
  for (const name of temperatureNames) {
    check(guidance, name, guidance[name] > 0, 'a number greater than 0');
  }
}

const pools = [
  ['conditional', 'unconditional'],
  ['redundantConditional', 'redundantUnconditional'],
] as const;

const temperatureNames = [
  'logitScale',
  'scale',
  'weighingLogitScale',
  'weighingScale',
  'sharpness',
] as const;

function check<G extends Guidance>(
  guidance: G,
  name: keyof G & string,
  isRight: boolean,
  expected: string,
): void {
  const value = guidance[name];
  if (isRight && Number.isFinite(value)) return;
  throw new RangeError(`guidance: ${name} ${String(value)} is out of range; expected ${expected}`);
}
