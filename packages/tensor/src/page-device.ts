import { browserPoolOptions } from './cpu/browser-workers.ts';
import { CpuDevice } from './cpu/device.ts';
import { setDefaultDevice, type Device } from './device.ts';
import { WebGpuDevice } from './webgpu/device.ts';
import { capabilitiesOf, requestGpu, type Precision } from './webgpu/open.ts';

export interface PageDeviceOptions {
  /** 'auto' takes a hardware GPU, else the CPU; 'webgpu' takes a software adapter too. */
  readonly device?: 'auto' | 'webgpu' | 'cpu';
  readonly precision?: Precision;
}

/**
 * Opens a device in a page and makes it the default for new tensors.
 * @throws Error when WebGPU was asked for and the browser offers none
 */
export async function openPageDevice({
  device = 'auto',
  precision,
}: PageDeviceOptions = {}): Promise<Device> {
  const adapter = device === 'cpu' ? undefined : await findAdapter();
  if (!adapter && device === 'webgpu') {
    throw new Error(
      'this browser offers no WebGPU adapter: turn on its hardware acceleration, or take the device "cpu"',
    );
  }
  const isWanted = adapter && (device === 'webgpu' || !adapter.info.isFallbackAdapter);
  const opened = isWanted
    ? await openWebGpu(adapter, precision)
    : new CpuDevice(browserPoolOptions());
  setDefaultDevice(opened);
  return opened;
}

/** Browsers without WebGPU, and pages that are not secure, have no `navigator.gpu`. */
async function findAdapter(): Promise<GPUAdapter | undefined> {
  const gpu = navigator.gpu as GPU | undefined;
  return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined;
}

async function openWebGpu(adapter: GPUAdapter, precision?: Precision): Promise<Device> {
  const { info } = adapter;
  const named = info.description || info.device || `${info.vendor} ${info.architecture}`;
  const name = named.trim() || 'WebGPU';
  const gpu = await requestGpu(adapter, name);
  const kind = info.isFallbackAdapter ? 'software' : 'hardware';
  return new WebGpuDevice(gpu, {
    name,
    capabilities: capabilitiesOf(adapter, gpu, kind, precision),
  });
}
