import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { map, registry, tensor, WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { checkVjp } from '@farmer/tensor/conformance';
import { checkFenced } from '../support/fences.ts';

// Variants for hardware differ by workgroup memory and barriers, which software adapters run as well, if slowly;
// SwiftShader compiles them faster than lavapipe.
const kernels = registry.filter(({ alias }) => !alias);
// Those that differ then; row kernels have a test of their own (row-variants.test.ts).
const withoutSubgroups = kernels.filter(({ name }) =>
  /^(attention|gaussianMixture|globalNorm|sum)/.test(name),
);

describe.each([
  ['of one subgroup size', kernels],
  ['without subgroups', withoutSubgroups],
])('variants for hardware %s', (_, ops) => {
  let real: WebGpuDevice;
  let device: WebGpuDevice;
  beforeAll(async () => {
    real = (await openDevice({ adapter: 'swiftshader' })) as WebGpuDevice;
    const capabilities = {
      ...{ ...real.capabilities, adapterKind: 'hardware' as const },
      ...(ops === withoutSubgroups && { subgroups: undefined }),
    };
    device = new WebGpuDevice(real.gpu, { name: real.name, capabilities });
  });
  afterAll(() => real.destroy());

  test('a map of several elements an invocation, with a broadcast row', async () => {
    const [rows, columns] = [3, 700_001];
    const values = Float32Array.from({ length: rows * columns }, (_, i) => i % 1009);
    const x = tensor(values, [rows, columns], 'f32', device);
    const y = tensor(values.subarray(0, columns), [columns], 'f32', device);
    const z = tensor([1, 2, 3], [rows, 1], 'f32', device);
    const sums = await map('x + y * z', { x, y, z }).data();
    const wrong = sums.findIndex((sum, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      return sum !== values[i]! + values[column]! * (row + 1);
    });
    expect(wrong).toBe(-1);
  });

  for (const op of ops) {
    test(`${op.name}: kernel = float64 reference, vjp = finite differences`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          await checkFenced(op, device, seed);
          await checkVjp(op, device, seed);
        }),
        { numRuns: 8 },
      );
    });
  }
});
