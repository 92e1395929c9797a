import type { Command } from 'commander';
import { shippedWeights } from './weights.ts';

/** Which trained model a command uses. */
export interface ModelOptions {
  readonly checkpoint?: string;
  readonly run?: string;
}

export function withModelOptions(command: Command): Command {
  const names = shippedWeights();
  const shipped = names.length > 0 ? `, or shipped weights: ${names.join(', ')}` : '';
  return command
    .option('--checkpoint <file>', `a checkpoint or weights file${shipped}`)
    .option('--run <dir>', 'the folder of a training run');
}
