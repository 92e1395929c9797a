import type { Command } from 'commander';
import { parseConfig } from '../../src/config.ts';
import { preset } from '../../src/presets.ts';
import { applyOverrides } from '../config-overrides.ts';
import { formatReport, reportModel } from '../model-report.ts';
import { wholeNumber, withOutputOptions, type OutputOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import { presetOption, setOption } from '../run-options.ts';
import { compareWithTable1 } from '../table-1.ts';

interface InfoOptions extends OutputOptions {
  readonly preset: string;
  readonly set: readonly string[];
  readonly batch?: number;
}

export function addInfoCommand(program: Command): void {
  const command = program
    .command('info')
    .description(
      "Count a model's parameters, operations and memory by running its code on shapes alone; no device is needed.",
    )
    .addOption(presetOption())
    .addOption(setOption())
    .option(
      '--batch <n>',
      "images at once (default: the configuration's training.batch)",
      wholeNumber(1),
    );
  withOutputOptions(command, [
    'farmer info --preset small',
    'farmer info --preset farmer-1.1b --batch 1',
    'farmer info --preset base --set model.flow.kind=jet',
  ]).action((options: InfoOptions) => {
    const output = createOutput(options);
    const config = parseConfig(applyOverrides(preset(options.preset), options.set), '--set');
    const report = reportModel(config, options.batch ?? config.training.batch);
    output.line(`preset      ${[options.preset, ...options.set].join(', ')}`);
    for (const line of formatReport(config, report)) output.line(line);
    for (const line of compareWithTable1(options.preset)) output.line(line);
    output.result({ command: 'info', preset: options.preset, config, ...report });
  });
}
