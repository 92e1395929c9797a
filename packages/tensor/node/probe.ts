import type { OpenAdapterOptions } from './adapter.ts';
import type { AdapterKind } from './advice.ts';
import { listAdapters } from './dawn.ts';
import { openWebGpuDevice } from './device.ts';
import { measureAccuracy } from './probe-accuracy.ts';
import type { FunctionAccuracy } from './probe-accuracy.ts';
import { measureSpeed } from './probe-speed.ts';
import type { SpeedReport } from './probe-speed.ts';
import type { Rejection } from './system-drivers.ts';

/** What `farmer doctor` knows of this machine's adapter. */
export interface AdapterReport {
  readonly name: string;
  readonly kind: AdapterKind;
  readonly driver: string;
  readonly chosenBy: string;
  /** Names of the adapters that the system's own drivers offer. */
  readonly systemAdapters: readonly string[];
  readonly rejected: readonly Rejection[];
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** The features that kernels use, and that this device has. */
  readonly features: readonly string[];
  /** The limits that kernels meet, by WebGPU's names. */
  readonly limits: Readonly<Record<string, number>>;
  readonly speed: SpeedReport;
  readonly accuracy: readonly FunctionAccuracy[];
  readonly advice?: string;
}

const REPORTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
] as const;

/**
 * Opens the chosen adapter and measures it: limits, speed, and how exact its functions are. Takes
 * a few seconds, less when the driver has its shaders cached.
 *
 * @throws NoAdapterError when no adapter fits.
 */
export async function probeAdapter(options: OpenAdapterOptions = {}): Promise<AdapterReport> {
  const opened = await openWebGpuDevice(options);
  const { device, features, name, kind, driver, chosenBy, rejected, advice } = opened;
  try {
    return {
      ...{ name, kind, driver, chosenBy, rejected, advice },
      systemAdapters: await listAdapters(),
      subgroupMinSize: opened.subgroupMinSize,
      subgroupMaxSize: opened.subgroupMaxSize,
      features: [...features],
      limits: Object.fromEntries(REPORTED_LIMITS.map((limit) => [limit, device.limits[limit]])),
      speed: await measureSpeed(device, kind === 'hardware'),
      accuracy: await measureAccuracy(device),
    };
  } finally {
    device.destroy();
  }
}
