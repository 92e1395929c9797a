import {
  capabilitiesOf,
  CpuDevice,
  setDefaultDevice,
  WebGpuDevice,
  type Device,
  type Precision,
} from '../src/index.ts';
import { NoAdapterError } from './adapter.ts';
import { openWebGpuDevice } from './device.ts';
import { patientWait } from './patient-wait.ts';
import { openTuner } from './tuning-cache.ts';
import { defaultThreads, MAX_THREADS, enableRelaxedSimd, spawnNodeWorker } from './workers.ts';

export interface OpenDeviceOptions {
  /** 'auto' takes a hardware GPU, else the CPU. Default: environment FARMER_DEVICE, else 'auto'. */
  readonly device?: string;
  /** Which WebGPU adapter; naming one means `device: 'webgpu'`, and goes before FARMER_DEVICE. See `openAdapter`. */
  readonly adapter?: string;
  /** Threads of the CPU device. Default: environment FARMER_THREADS, else all cores. */
  readonly threads?: number;
  /**
   * Measure variants of WebGPU kernels at the first use of a shape class, and keep the choices on disk
   * (`tuningFile`). Default: environment FARMER_AUTOTUNE=1.
   */
  readonly autotune?: boolean;
  /**
   * 'f16' lets matrix products round their factors to f16 where the adapter has matrix units for it.
   * Default: environment FARMER_PRECISION, else 'f32'.
   */
  readonly precision?: Precision;
}

/**
 * Opens a device and makes it the default for new tensors.
 * @throws NoAdapterError when a WebGPU adapter was asked for and none fits
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const device = await chooseDevice(options);
  setDefaultDevice(device);
  return device;
}

async function chooseDevice(options: OpenDeviceOptions): Promise<Device> {
  const adapter = options.adapter ?? (process.env.FARMER_ADAPTER || undefined);
  const kind = kindOf(options, adapter);
  switch (kind) {
    case 'cpu':
      return openCpu(options.threads);
    case 'webgpu':
      return openWebGpu(adapter, options);
    case 'auto':
      try {
        return await openWebGpu('hardware', options);
      } catch (error) {
        if (error instanceof NoAdapterError) return openCpu(options.threads);
        throw error;
      }
    default:
      throw new Error(`unknown device "${kind}": there are auto, webgpu and cpu`);
  }
}

/** What was asked for in the call goes before the environment, and an adapter's name before 'auto'. */
function kindOf(options: OpenDeviceOptions, adapter: string | undefined): string {
  const isNamed = (choice: string | undefined) => choice !== undefined && choice !== 'auto';
  if (isNamed(options.adapter) && options.device === 'cpu') {
    throw new Error(
      `the adapter "${options.adapter}" is one of WebGPU, not of the device "cpu": give one of the two`,
    );
  }
  const asked = isNamed(options.adapter) ? 'webgpu' : process.env.FARMER_DEVICE || 'auto';
  const kind = options.device ?? asked;
  return kind === 'auto' && isNamed(adapter) ? 'webgpu' : kind;
}

function openCpu(threads?: number): Device {
  const count = threads ?? Number(process.env.FARMER_THREADS || defaultThreads());
  if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
    throw new Error(
      `the CPU device needs a whole number of threads from 1 to ${MAX_THREADS}, got ${threads ?? `FARMER_THREADS=${process.env.FARMER_THREADS}`}`,
    );
  }
  enableRelaxedSimd();
  return new CpuDevice({ threads: count, spawn: spawnNodeWorker });
}

async function openWebGpu(choice: string | undefined, options: OpenDeviceOptions): Promise<Device> {
  const precision = options.precision ?? process.env.FARMER_PRECISION ?? 'f32';
  if (precision !== 'f32' && precision !== 'f16') {
    throw new Error(`unknown precision "${precision}": there are f32 and f16`);
  }
  const autotune = options.autotune ?? process.env.FARMER_AUTOTUNE === '1';
  const opened = await openWebGpuDevice({ choice });
  const { vendor, architecture, device, description } = opened.adapter.info;
  const kind = opened.kind === 'hardware' ? 'hardware' : 'software';
  const key = [opened.name, vendor, architecture, device, description, precision].join(', ');
  return new WebGpuDevice(opened.device, {
    name: opened.name,
    tuner: autotune ? openTuner(key) : undefined,
    wait: patientWait,
    capabilities: capabilitiesOf(opened.adapter, opened.device, kind, precision),
  });
}
