/**
 * Where the time of a FARMER training step goes, by family of kernels, and what a dispatch costs the main thread.
 *
 *     npx tsx benchmarks/train-step.ts --preset small --adapter lavapipe
 */
import { Option, program } from 'commander';
import type { CpuDevice, WebGpuDevice } from '@farmer/tensor';
import { openAdapter, openDevice } from '@farmer/tensor/node';
import { preset } from 'farmer';
import { exitAfterFlush } from '../packages/farmer/cli/exit.ts';
import { wholeNumber } from '../packages/farmer/cli/options.ts';
import { defaultThreads, spawnNodeWorker } from '../packages/tensor/node/workers.ts';
import { currentLoad, machine } from './lab/report.ts';
import { measureCpu, measureWebGpu } from './train-step/measure.ts';
import { stepMarkdown, summarize, writeStepReport } from './train-step/report.ts';
import { TimedCpuDevice } from './train-step/timed-cpu-device.ts';

const options = program
  .name('train-step')
  .description('Measure where the time of a training step goes.')
  .option('--preset <name>', 'configuration', 'small')
  .addOption(new Option('--device <kind>', 'where').choices(['webgpu', 'cpu']).default('webgpu'))
  .option('--adapter <choice>', 'WebGPU adapter (default: the best there is)')
  .option('--steps <n>', 'steps to measure, after the first two', wholeNumber(1), 5)
  .option('--out <file>', 'where JSON and Markdown go, without an ending (default: nowhere)')
  .parse()
  .opts<{ preset: string; device: string; adapter?: string; steps: number; out?: string }>();

const config = preset(options.preset);
const choice = options.adapter === undefined ? {} : { adapter: options.adapter };
const device = await openDevice({ device: options.device, ...choice });
const before = currentLoad();

async function measure() {
  if (device.kind === 'cpu') {
    const timed = new TimedCpuDevice({ threads: defaultThreads(), spawn: spawnNodeWorker });
    return measureCpu(device as CpuDevice, timed, config, options.steps);
  }
  return measureWebGpu(device as WebGpuDevice, config, options.steps);
}

const measurement = await measure();
const report = {
  command: ['npx tsx benchmarks/train-step.ts', ...process.argv.slice(2)].join(' '),
  preset: options.preset,
  adapter: device.kind === 'cpu' ? 'cpu' : (await openAdapter({ choice: options.adapter })).kind,
  device: device.name,
  ...machine(),
  load: [before, currentLoad()] as const,
  ...summarize(measurement),
};
console.log(stepMarkdown(report));
if (options.out !== undefined) writeStepReport(options.out, report);
exitAfterFlush();
