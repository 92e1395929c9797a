import type { Command } from 'commander';
import { readCheckpoint, writeCheckpoint } from '../checkpoint.ts';
import { resolveCheckpoint, withModelOptions, type ModelOptions } from '../model-options.ts';
import { withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';

interface ExportOptions extends CommonOptions, ModelOptions {
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
  withCommonOptions(command, ['farmer export --run runs/tiny-mnist-0 --out digits.safetensors']);
  command.action(async (options: ExportOptions) => {
    const output = createOutput(options);
    const { path, model, ...info } = await readCheckpoint(resolveCheckpoint(options));
    const tensors = [...model].map(
      ([name, { shape, data }]) => [name, { dtype: 'F32' as const, shape, data }] as const,
    );
    await writeCheckpoint(options.out, info, Object.fromEntries(tensors));
    output.line(`weights     ${options.out}: those of ${path}, step ${info.step}`);
    output.result({ command: 'export', checkpoint: path, out: options.out, step: info.step });
  });
}
