import {
  CpuDevice,
  setDefaultDevice,
  WebGpuDevice,
  type Device,
  type SubgroupMatrix,
} from '../src/index.ts';
import { NoAdapterError } from './adapter.ts';
import { openWebGpuDevice, type OpenWebGpuDevice } from './device.ts';
import { patientWait } from './patient-wait.ts';
import { openTuner } from './tuning-cache.ts';
import { defaultThreads, enableRelaxedSimd, spawnNodeWorker } from './workers.ts';

export interface OpenDeviceOptions {
  /** 'auto' takes a hardware GPU, else the CPU. Default: environment FARMER_DEVICE, else 'auto'. */
  readonly device?: string;
  /** Which WebGPU adapter; naming one means `device: 'webgpu'`. See `openAdapter`. */
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
  readonly precision?: 'f32' | 'f16';
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

function openCpu(threads?: number): Device {
  const count = threads ?? Number(process.env.FARMER_THREADS ?? defaultThreads());
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`the CPU device needs a whole number of threads from 1 up, got ${count}`);
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
  const { vendor, architecture, device, description } = opened.adapterInfo;
  const key = [opened.name, vendor, architecture, device, description, precision].join(', ');
  return new WebGpuDevice(opened.device, {
    name: opened.name,
    tuner: autotune ? openTuner(key) : undefined,
    wait: patientWait,
    capabilities: {
      adapterKind: opened.kind === 'hardware' ? 'hardware' : 'software',
      subgroups: opened.features.has('subgroups')
        ? { minSize: opened.subgroupMinSize, maxSize: opened.subgroupMaxSize }
        : undefined,
      shaderF16: opened.features.has('shader-f16'),
      subgroupMatrix: precision === 'f16' ? subgroupMatrixOf(opened) : undefined,
      limits: opened.device.limits,
    },
  });
}

/** The smallest shape of f16 factors and f32 sums that the adapter's matrix units multiply. */
function subgroupMatrixOf({ features, adapterInfo }: OpenWebGpuDevice): SubgroupMatrix | undefined {
  const needed = ['chromium-experimental-subgroup-matrix', 'shader-f16', 'subgroups'];
  if (!needed.every((feature) => features.has(feature))) return undefined;
  // Not yet in WebGPU's types.
  const { subgroupMatrixConfigs = [] } = adapterInfo as {
    subgroupMatrixConfigs?: Iterable<Config>;
  };
  return [...subgroupMatrixConfigs]
    .filter(({ componentType, resultComponentType }) => {
      return componentType === 'f16' && resultComponentType === 'f32';
    })
    .map(({ M, N, K }) => ({ m: M, n: N, k: K }))
    .sort((a, b) => a.m * a.n * a.k - b.m * b.n * b.k)[0];
}

/** One of Dawn's `subgroupMatrixConfigs`. */
interface Config {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
