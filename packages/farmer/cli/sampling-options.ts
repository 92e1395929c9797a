import type { Command } from 'commander';
import type { SamplingOptions } from '../src/sampler.ts';
import { guidanceOf, withGuidanceOptions, type GuidanceOptions } from './guidance-options.ts';
import { numberList, positiveNumber } from './options.ts';

/** How to draw from a model, as the command line gives it. */
export interface SamplingCommandOptions extends GuidanceOptions {
  readonly logitScale: number;
  readonly scale: number;
  /** Several: the same images at each of them, where the command can show that. */
  readonly redundantScale: readonly number[];
}

/** Adds the options that say how to draw from a model. */
export function withSamplingOptions(command: Command): Command {
  return withGuidanceOptions(
    command
      .option('--logit-scale <x>', 'multiplies the mixture logits', positiveNumber, 1)
      .option('--scale <x>', "multiplies the components' standard deviations", positiveNumber, 1)
      .option('--redundant-scale <x>', 'the same for redundant channels only', numberList, [1]),
  );
}

/**
 * Picks them out of a command's options.
 * @throws Error when there are several factors of redundant deviations
 */
export function samplingOptions(options: SamplingCommandOptions): SamplingOptions {
  const [first, ...others] = samplingDial(options);
  if (others.length === 0) return first!;
  throw new Error(
    `--redundant-scale ${options.redundantScale.join()}: one number expected here; \`farmer sample\` takes several`,
  );
}

/** One set of options for each factor of redundant deviations (figure 7). */
export function samplingDial(options: SamplingCommandOptions): SamplingOptions[] {
  const { logitScale, scale } = options;
  const guidance = guidanceOf(options);
  return options.redundantScale.map((redundantScale) => ({
    logitScale,
    scale,
    redundantScale,
    guidance,
  }));
}
