import type { Command } from 'commander';
import { registry, type Device } from '@farmer/tensor';
import { checkOps } from '@farmer/tensor/conformance';
import {
  formatDoctor,
  measureDevice,
  NoAdapterError,
  openDevice,
  probeAdapter,
  type AdapterReport,
  type DeviceSpeed,
} from '@farmer/tensor/node';
import { withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';

interface DoctorOptions extends CommonOptions {
  readonly check?: boolean;
}

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Show which device is taken and why, the WebGPU adapter, their speed, and how exact they are.',
    )
    .option('--check', 'check that the device computes every op and its gradient right (a minute)');
  withCommonOptions(command, ['farmer doctor', 'farmer doctor --adapter hardware --check']).action(
    async (options: DoctorOptions) => {
      const output = createOutput(options);
      const taken = await openDevice(options);
      const reason = reasonFor(options, taken.kind);
      output.line(`taken      ${taken.name}: ${reason}`);
      const speeds = [await measureDevice(taken)];
      const wrong = options.check ? await wrongOps(taken, output) : undefined;
      taken.destroy();
      const report = await adapterReport(options.adapter);
      // What was not taken, for comparison.
      const other =
        taken.kind === 'webgpu'
          ? { device: 'cpu' }
          : { device: 'webgpu', adapter: options.adapter };
      if (typeof report !== 'string' || other.device === 'cpu') {
        const device = await openDevice(other);
        speeds.push(await measureDevice(device));
        device.destroy();
      }
      for (const speed of speeds) output.line(speedLine(speed));
      output.line(`\nWebGPU\n${typeof report === 'string' ? report : formatDoctor(report)}`);
      if (wrong) output.line(`\n${describeCheck(wrong)}`);
      output.result({
        command: 'doctor',
        taken: taken.name,
        reason,
        speeds,
        wrong,
        webgpu: report,
      });
      if (wrong?.length) {
        throw new Error(`${taken.name} computes wrongly; train and sample on another device`);
      }
    },
  );
}

/** The first deviation of each op that has one. */
async function wrongOps(device: Device, output: Output): Promise<string[]> {
  const wrong: string[] = [];
  let checked = 0;
  for await (const found of checkOps(device)) {
    output.status(`checked ${++checked} of ${registry.length} ops: ${found.op}`);
    if (found.wrong !== undefined) wrong.push(found.wrong);
  }
  return wrong;
}

function describeCheck(wrong: readonly string[]): string {
  const checked = `${registry.length} ops, their values and gradients against float64`;
  if (wrong.length === 0) return `checked    ${checked}: all as they should be`;
  return `checked    ${checked}: ${wrong.length} wrong\n${wrong.map((line) => `  ${line}`).join('\n')}`;
}

function reasonFor({ device, adapter }: CommonOptions, kind: string): string {
  if (device !== undefined && device !== 'auto') return `--device ${device}`;
  if (adapter !== undefined && adapter !== 'auto') return `--adapter ${adapter}`;
  const { FARMER_DEVICE, FARMER_ADAPTER } = process.env;
  if (FARMER_DEVICE) return `FARMER_DEVICE=${FARMER_DEVICE}`;
  if (FARMER_ADAPTER) return `FARMER_ADAPTER=${FARMER_ADAPTER}`;
  return kind === 'webgpu'
    ? 'a hardware GPU'
    : 'no hardware GPU that WebGPU can drive, and the CPU is faster than a software adapter';
}

/** The adapter's report, or why there is none. @throws when the user named an adapter that does not open */
async function adapterReport(choice: string | undefined): Promise<AdapterReport | string> {
  try {
    return await probeAdapter({ choice });
  } catch (error) {
    if (!(error instanceof NoAdapterError) || choice !== undefined) throw error;
    return error.message;
  }
}

function speedLine({ name, matmulGflops, matmulSize, pointwiseGBps }: DeviceSpeed): string {
  return `  ${name}: matmul ${matmulSize} at ${matmulGflops.toPrecision(3)} GFLOP/s, pointwise at ${pointwiseGBps.toPrecision(3)} GB/s`;
}
