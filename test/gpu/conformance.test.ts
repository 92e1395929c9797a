import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { registry, type Device } from '@farmer/tensor';
import { checkForward, checkVjp } from '@farmer/tensor/conformance';
import { openTestDevice, testDevices } from '../support/devices.ts';

// FARMER_TEST_CASES widens the search.
const numRuns = Number(process.env.FARMER_TEST_CASES ?? 12);
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

for (const name of testDevices) {
  describe(`every op on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openTestDevice(name);
    });
    afterAll(() => device.destroy());

    for (const op of registry) {
      test(`${op.name}: kernel = float64 reference`, async () => {
        await fc.assert(
          fc.asyncProperty(seeds, (seed) => checkForward(op, device, seed)),
          { numRuns },
        );
      });
      if (!op.vjp) continue;
      test(`${op.name}: vjp = finite differences`, async () => {
        await fc.assert(
          fc.asyncProperty(seeds, (seed) => checkVjp(op, device, seed)),
          { numRuns },
        );
      });
    }
  });
}
