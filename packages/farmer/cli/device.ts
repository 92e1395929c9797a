import type { Device } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import type { CommonOptions } from './options.ts';
import type { Output } from './output.ts';

/** Opens the chosen device, names it, and destroys it when `body` is done. */
export async function withDevice<Result>(
  options: CommonOptions,
  output: Output,
  body: (device: Device) => Promise<Result>,
): Promise<Result> {
  const device = await openDevice(options);
  output.line(`device      ${device.name}`);
  try {
    return await body(device);
  } finally {
    device.destroy();
  }
}
