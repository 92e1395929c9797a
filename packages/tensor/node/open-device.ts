import { setDefaultDevice, WebGpuDevice, type Device } from '../src/index.ts';
import type { OpenAdapterOptions } from './adapter.ts';
import { openWebGpuDevice } from './device.ts';

/**
 * Opens a device and makes it the default for new tensors.
 * @throws NoAdapterError when no WebGPU adapter fits
 */
export async function openDevice(options: OpenAdapterOptions = {}): Promise<Device> {
  const opened = await openWebGpuDevice(options);
  const device = new WebGpuDevice(opened.device, {
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
  setDefaultDevice(device);
  return device;
}
