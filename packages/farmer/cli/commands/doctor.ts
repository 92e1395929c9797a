import type { Command } from 'commander';
import { formatDoctor, probeAdapter } from '@farmer/tensor/node';
import { withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Show the WebGPU adapter, its limits, its speed, and how exact its functions are.',
    );
  withCommonOptions(command, ['farmer doctor', 'farmer doctor --adapter swiftshader']).action(
    async (options: CommonOptions) => {
      const output = createOutput(options);
      const { adapter } = options;
      const report = await probeAdapter(adapter === undefined ? {} : { choice: adapter });
      output.line(formatDoctor(report));
      output.result({ command: 'doctor', ...report });
    },
  );
}
