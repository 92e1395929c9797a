import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { registry, WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { checkForward, checkVjp } from '../support/conformance.ts';

// Variants for hardware differ by workgroup memory and barriers, which software adapters run as well, if slowly;
// SwiftShader compiles them faster than lavapipe.
const names = /^(affineFlow|gaussianMixture|globalNorm|adamw of 9)/;

describe('variants for hardware', () => {
  let real: WebGpuDevice;
  let device: WebGpuDevice;
  beforeAll(async () => {
    real = (await openDevice({ adapter: 'swiftshader' })) as WebGpuDevice;
    const capabilities = { ...real.capabilities, adapterKind: 'hardware' as const };
    device = new WebGpuDevice(real.gpu, { name: real.name, capabilities });
  });
  afterAll(() => real.destroy());

  for (const op of registry.filter(({ name }) => names.test(name))) {
    test(`${op.name}: kernel = float64 reference, vjp = finite differences`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          await checkForward(op, device, seed);
          await checkVjp(op, device, seed);
        }),
        { numRuns: 8 },
      );
    });
  }
});
