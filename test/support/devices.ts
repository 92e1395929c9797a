import { afterAll, beforeAll, describe } from 'vitest';
import type { Device } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';

/** Devices under test, as global-setup.ts found them or FARMER_TEST_DEVICES lists them. */
export const testDevices = (process.env.FARMER_TEST_DEVICES ?? '').split(',').filter(Boolean);
if (testDevices.length === 0)
  throw new Error('no devices under test: run through vitest.config.ts');

/** Software adapters under test. */
export const testAdapters = testDevices.filter((name) => name !== 'cpu');

/** Opens a device under test by its name. */
export function openTestDevice(name: string): Promise<Device> {
  return openDevice(name === 'cpu' ? { device: 'cpu' } : { adapter: name });
}

/** Runs a block of tests once on each device, which is the default device meanwhile. */
export function describeOnDevices(
  name: string,
  body: (device: () => Device) => void,
  devices: readonly string[] = testDevices,
): void {
  describe.each(devices)(`${name} on %s`, (choice) => {
    let device: Device | undefined;
    beforeAll(async () => {
      device = await openTestDevice(choice);
    });
    afterAll(() => device?.destroy());
    body(() => device!);
  });
}
