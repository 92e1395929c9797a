import { CpuDevice, setDefaultDevice, WebGpuDevice, type Device } from '../src/index.ts';
import { NoAdapterError } from './adapter.ts';
import { openWebGpuDevice } from './device.ts';
import { defaultThreads, enableRelaxedSimd, spawnNodeWorker } from './workers.ts';

export interface OpenDeviceOptions {
  /** 'auto' takes a hardware GPU, else the CPU. Default: environment FARMER_DEVICE, else 'auto'. */
  readonly device?: string;
  /** Which WebGPU adapter; naming one means `device: 'webgpu'`. See `openAdapter`. */
  readonly adapter?: string;
  /** Threads of the CPU device. Default: environment FARMER_THREADS, else all cores. */
  readonly threads?: number;
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
  const adapter = options.adapter ?? process.env.FARMER_ADAPTER;
  const fallback = adapter && adapter !== 'auto' ? 'webgpu' : 'auto';
  const kind = options.device ?? process.env.FARMER_DEVICE ?? fallback;
  switch (kind) {
    case 'cpu':
      return openCpu(options.threads);
    case 'webgpu':
      return openWebGpu(adapter);
    case 'auto':
      try {
        return await openWebGpu('hardware');
      } catch (error) {
        if (error instanceof NoAdapterError) return openCpu(options.threads);
        throw error;
      }
    default:
      throw new Error(`unknown device "${kind}": there are auto, webgpu and cpu`);
  }
}

function openCpu(threads?: number): Device {
  const count = threads ?? Number(process.env.FARMER_THREADS ?? defaultThreads());
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`the CPU device needs a whole number of threads from 1 up, got ${count}`);
  }
  enableRelaxedSimd();
  return new CpuDevice({ threads: count, spawn: spawnNodeWorker });
}

async function openWebGpu(choice: string | undefined): Promise<Device> {
  const opened = await openWebGpuDevice({ choice });
  return new WebGpuDevice(opened.device, {
    name: opened.name,
    capabilities: {
      adapterKind: opened.kind === 'hardware' ? 'hardware' : 'software',
      subgroups: opened.features.has('subgroups')
        ? { minSize: opened.subgroupMinSize, maxSize: opened.subgroupMaxSize }
        : undefined,
      shaderF16: opened.features.has('shader-f16'),
      limits: opened.device.limits,
    },
  });
}
