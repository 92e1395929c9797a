import { afterAll, beforeAll, describe } from 'vitest';
import type { Device } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';

/** Devices under test: the CPU and both software adapters, or those that FARMER_TEST_DEVICES lists. */
export const testDevices = (process.env.FARMER_TEST_DEVICES ?? 'cpu,lavapipe,swiftshader').split(
  ',',
);

/** Runs a block of tests once on each device, which is the default device meanwhile. */
export function describeOnDevices(
  name: string,
  body: (device: () => Device) => void,
  devices: readonly string[] = testDevices,
): void {
  describe.each(devices)(`${name} on %s`, (choice) => {
    let device: Device | undefined;
    beforeAll(async () => {
      device = await openDevice(choice === 'cpu' ? { device: 'cpu' } : { adapter: choice });
    });
    afterAll(() => device?.destroy());
    body(() => device!);
  });
}
