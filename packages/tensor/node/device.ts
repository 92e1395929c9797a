import { KERNEL_FEATURES, requestGpu } from '../src/index.ts';
import { openAdapter } from './adapter.ts';
import type { OpenAdapter, OpenAdapterOptions } from './adapter.ts';

export interface OpenWebGpuDevice extends OpenAdapter {
  readonly device: GPUDevice;
  /** Lanes of a subgroup, or 0 when the adapter has no subgroups; never assume a size. */
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** The features that kernels use, and that the device has. */
  readonly features: ReadonlySet<string>;
}

/**
 * Finds an adapter and opens its device (`requestGpu`).
 *
 * @throws NoAdapterError when no adapter fits.
 */
export async function openWebGpuDevice(
  options: OpenAdapterOptions = {},
): Promise<OpenWebGpuDevice> {
  const opened = await openAdapter(options);
  const { adapter, name } = opened;
  const device = await requestGpu(adapter, name);
  const { info } = adapter;
  const hasSubgroups = adapter.features.has('subgroups');
  return {
    ...opened,
    device,
    subgroupMinSize: hasSubgroups ? info.subgroupMinSize : 0,
    subgroupMaxSize: hasSubgroups ? info.subgroupMaxSize : 0,
    features: new Set(KERNEL_FEATURES.filter((feature) => device.features.has(feature))),
  };
}
