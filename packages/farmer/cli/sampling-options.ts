import type { Command } from 'commander';
import type { SamplingOptions } from '../src/sampler.ts';
import { positiveNumber } from './options.ts';

/** Adds the options that say how to draw from a model. */
export function withSamplingOptions(command: Command): Command {
  return command
    .option('--logit-scale <x>', 'multiplies the mixture logits', positiveNumber, 1)
    .option('--scale <x>', "multiplies the components' standard deviations", positiveNumber, 1)
    .option('--redundant-scale <x>', 'the same for redundant channels only', positiveNumber, 1);
}

/** Picks them out of a command's options. */
export function samplingOptions({
  logitScale,
  scale,
  redundantScale,
}: SamplingOptions): SamplingOptions {
  return {
    ...(logitScale === undefined ? {} : { logitScale }),
    ...(scale === undefined ? {} : { scale }),
    ...(redundantScale === undefined ? {} : { redundantScale }),
  };
}
