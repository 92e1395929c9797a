import { realpath } from 'node:fs/promises';
import type { Command } from 'commander';
import { toStateDict } from '@farmer/nn';
import { readCheckpoint, writeCheckpoint } from '../checkpoint.ts';
import { resolveCheckpoint, withModelOptions, type ModelOptions } from '../model-options.ts';
import { withOutputOptions, type OutputOptions } from '../options.ts';
import { createOutput } from '../output.ts';

interface ExportOptions extends OutputOptions, ModelOptions {
  readonly out: string;
}

export function addExportCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('export')
      .description(
        "Write a checkpoint's weights alone: a third of its size, to evaluate and draw.",
      ),
  ).requiredOption('--out <file>', 'the safetensors file to write');
  withOutputOptions(command, ['farmer export --run runs/tiny-mnist-0 --out digits.safetensors']);
  command.action(async (options: ExportOptions) => {
    const output = createOutput(options);
    const path = resolveCheckpoint(options);
    await checkOther(path, options.out);
    const { model, ...info } = await readCheckpoint(path);
    await writeCheckpoint(options.out, info, toStateDict(model));
    output.line(`weights     ${options.out}: those of ${path}, step ${info.step}`);
    output.result({ command: 'export', checkpoint: path, out: options.out, step: info.step });
  });
}

/** @throws Error when a checkpoint's weights would take its own place: the optimiser's state would be lost */
async function checkOther(checkpoint: string, out: string): Promise<void> {
  const [from, to] = await Promise.all(
    [checkpoint, out].map((path) => realpath(path).catch(() => path)),
  );
  if (from !== to) return;
  throw new Error(
    `--out ${out} is the checkpoint itself, which training goes on from: choose another file`,
  );
}
