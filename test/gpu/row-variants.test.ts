import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { registry, WebGpuDevice, type WebGpuCapabilities } from '@farmer/tensor';
import { checkForward } from '../support/conformance.ts';
import { openTestDevice, testAdapters } from '../support/devices.ts';

// One op for each way in which row kernels use a team; compiling them all would take a minute on lavapipe.
const rowOps = /^(sum|logSumExp|argmax|softmax|layerNormGradient)$/;
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

// Software adapters choose one subgroup a row; these are the variants that other adapters choose.
const variants: Record<string, Partial<WebGpuCapabilities>> = {
  'no subgroups': { adapterKind: 'hardware', subgroups: undefined },
  'subgroups inside larger workgroups': { adapterKind: 'hardware' },
};

for (const [name, changes] of Object.entries(variants)) {
  describe(`row kernels with ${name}`, () => {
    let device: WebGpuDevice;
    beforeAll(async () => {
      const opened = (await openTestDevice(testAdapters[0]!)) as WebGpuDevice;
      const capabilities = { ...opened.capabilities, ...changes };
      device = new WebGpuDevice(opened.gpu, { name, capabilities });
    });
    afterAll(() => device.destroy());

    for (const op of registry.filter((op) => rowOps.test(op.name))) {
      test(`${op.name}: kernel = float64 reference`, async () => {
        await fc.assert(
          fc.asyncProperty(seeds, (seed) => checkForward(op, device, seed)),
          { numRuns: 8 },
        );
      });
    }
  });
}
