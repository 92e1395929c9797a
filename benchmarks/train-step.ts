/**
 * Where the time of a FARMER training step goes, by family of WebGPU kernels, and what a dispatch costs the main thread.
 *
 *     npx tsx benchmarks/train-step.ts --preset small --adapter lavapipe
 *
 * For the CPU device: benchmarks/cpu-train-step.ts.
 */
import { program } from 'commander';
import type { WebGpuDevice } from '@farmer/tensor';
import { openAdapter, openDevice } from '@farmer/tensor/node';
import { preset } from 'farmer';
import { exitAfterFlush } from '../packages/farmer/cli/exit.ts';
import { wholeNumber } from '../packages/farmer/cli/options.ts';
import { currentLoad, machine } from './lab/report.ts';
import { measureWebGpu } from './train-step/measure.ts';
import { stepMarkdown, summarize, writeStepReport } from './train-step/report.ts';

const options = program
  .name('train-step')
  .description('Measure where the time of a training step goes.')
  .option('--preset <name>', 'configuration', 'small')
  .option('--adapter <choice>', 'WebGPU adapter (default: the best there is)')
  .option('--steps <n>', 'steps to measure, after the first two', wholeNumber(1), 5)
  .option('--out <file>', 'where JSON and Markdown go, without an ending (default: nowhere)')
  .parse()
  .opts<{ preset: string; adapter?: string; steps: number; out?: string }>();

const config = preset(options.preset);
const choice = options.adapter === undefined ? {} : { adapter: options.adapter };
const device = (await openDevice({ device: 'webgpu', ...choice })) as WebGpuDevice;
const before = currentLoad();

const measurement = await measureWebGpu(device, config, options.steps);
const report = {
  command: ['npx tsx benchmarks/train-step.ts', ...process.argv.slice(2)].join(' '),
  preset: options.preset,
  adapter: (await openAdapter({ choice: options.adapter })).kind,
  device: device.name,
  ...machine(),
  load: [before, currentLoad()] as const,
  ...summarize(measurement),
};
console.log(stepMarkdown(report));
if (options.out !== undefined) writeStepReport(options.out, report);
exitAfterFlush();
