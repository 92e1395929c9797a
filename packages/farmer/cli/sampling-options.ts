import type { Command } from 'commander';
import type { SamplingOptions } from '../src/sampler.ts';
import { guidanceOf, withGuidanceOptions, type GuidanceOptions } from './guidance-options.ts';
import { positiveNumber } from './options.ts';

/** How to draw from a model, as the command line gives it. */
export interface SamplingCommandOptions extends GuidanceOptions {
  readonly logitScale?: number;
  readonly scale?: number;
  readonly redundantScale?: number;
}

/** Adds the options that say how to draw from a model. */
export function withSamplingOptions(command: Command): Command {
  return withGuidanceOptions(
    command
      .option('--logit-scale <x>', 'multiplies the mixture logits', positiveNumber, 1)
      .option('--scale <x>', "multiplies the components' standard deviations", positiveNumber, 1)
      .option('--redundant-scale <x>', 'the same for redundant channels only', positiveNumber, 1),
  );
}

/** Picks them out of a command's options. */
export function samplingOptions(options: SamplingCommandOptions): SamplingOptions {
  const { logitScale, scale, redundantScale } = options;
  const guidance = guidanceOf(options);
  return {
    ...(logitScale === undefined ? {} : { logitScale }),
    ...(scale === undefined ? {} : { scale }),
    ...(redundantScale === undefined ? {} : { redundantScale }),
    ...(guidance === undefined ? {} : { guidance }),
  };
}
