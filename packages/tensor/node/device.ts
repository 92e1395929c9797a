import { openAdapter } from './adapter.ts';
import type { OpenAdapter, OpenAdapterOptions } from './adapter.ts';

/** Features that kernels use where the adapter has them; each is checked for before use. */
const WANTED_FEATURES = [
  'subgroups',
  'shader-f16',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
];

export interface OpenWebGpuDevice extends OpenAdapter {
  readonly device: GPUDevice;
  readonly adapterInfo: GPUAdapterInfo;
  /** Lanes of a subgroup, or 0 when the adapter has no subgroups; never assume a size. */
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** The wanted features that the device has. */
  readonly features: ReadonlySet<string>;
  /**
   * Rejects with a clear error when the device is lost other than by `destroy`; never resolves.
   * Race long waits against it: a lost device's promises may stay pending.
   */
  readonly lost: Promise<never>;
}

/** The device is gone (a driver crash, a reset or a time-out), and every buffer with it. */
export class DeviceLostError extends Error {
  constructor(adapterName: string, message: string) {
    const reason = message.trim() || 'the driver gave no reason';
    super(
      `the WebGPU device on '${adapterName}' was lost (${reason}); its buffers are gone, ` +
        'so start again from the last checkpoint.',
    );
    this.name = 'DeviceLostError';
  }
}

/** All of the adapter's limits, as `requiredLimits`: WebGPU's defaults are far lower. */
function fullLimits(limits: GPUSupportedLimits): Record<string, number> {
  const full: Record<string, number> = {};
  // The limits are getters of the prototype, so a plain spread would miss them.
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') full[name] = value;
  }
  return full;
}

/**
 * Opens a device with all of the adapter's limits and the wanted features that it has. Errors
 * that nobody scopes are printed with the adapter's name.
 *
 * @throws NoAdapterError when no adapter fits.
 */
export async function openWebGpuDevice(
  options: OpenAdapterOptions = {},
): Promise<OpenWebGpuDevice> {
  const opened = await openAdapter(options);
  const { adapter, name } = opened;
  const wanted = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({
    requiredFeatures: wanted as GPUFeatureName[],
    requiredLimits: fullLimits(adapter.limits),
  });
  const lost = device.lost.then(({ reason, message }) => {
    if (reason === 'destroyed') return new Promise<never>(() => {});
    throw new DeviceLostError(name, message);
  });
  // Whoever waits for it hears of it; with nobody waiting it must not end the process by itself.
  lost.catch(() => {});
  device.addEventListener('uncapturederror', (event) => {
    console.error(`WebGPU error on '${name}': ${event.error.message}`);
  });
  const { info } = adapter;
  const hasSubgroups = adapter.features.has('subgroups');
  return {
    ...opened,
    device,
    adapterInfo: info,
    subgroupMinSize: hasSubgroups ? info.subgroupMinSize : 0,
    subgroupMaxSize: hasSubgroups ? info.subgroupMaxSize : 0,
    features: new Set(wanted),
    lost,
  };
}
