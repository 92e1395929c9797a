import { Option, type Command } from 'commander';
import { presets } from '../src/presets.ts';
import { dataOption, imageSizeOption } from './data-options.ts';
import { collect, wholeNumber } from './options.ts';

/** --preset, of commands that start from a named configuration. */
export function presetOption(): Option {
  const does = `configuration: ${Object.keys(presets).join(', ')}`;
  return new Option('--preset <name>', does).default('tiny');
}

/** --set, which changes parts of a configuration. */
export function setOption(): Option {
  const does = 'change one part, as in training.batch=64 (repeatable)';
  return new Option('--set <key=value>', does).default([]).argParser(collect);
}

/**
 * Adds the options that say which model to train on what: `RunChoices`.
 * @param whose training has --steps
 */
export function withRunOptions(command: Command, whose: string): Command {
  return command
    .addOption(presetOption())
    .addOption(dataOption())
    .option('--train-images <n>', 'use only this many training images', wholeNumber(1))
    .addOption(imageSizeOption())
    .addOption(setOption())
    .option('--steps <n>', `optimisation steps of ${whose}`, wholeNumber(1));
}
