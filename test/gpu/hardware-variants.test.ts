import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  capabilitiesOf,
  map,
  registry,
  requestGpu,
  tensor,
  WebGpuDevice,
  type Op,
  type Tensor,
} from '@farmer/tensor';
import { openAdapter } from '@farmer/tensor/node';
import { checkVjp } from '@farmer/tensor/conformance';
import { checkFenced } from '../support/fences.ts';

// Variants for hardware differ by workgroup memory and barriers, which software adapters run as well, if slowly;
// SwiftShader compiles them faster than lavapipe.
const kernels = registry.filter(({ alias }) => !alias);
// Those that differ then, or bind many buffers; row kernels have a test of their own (row-variants.test.ts).
const frugal = kernels.filter(({ name }) =>
  /^(adamw|attention|ema|gaussianMixture|globalNorm|map$|matmul|sgd|sum)/.test(name),
);

/**
 * Runs a random case of an op with its grids folded, as large ones are, so that half of their workgroups have no work.
 * @throws where the result is wrong, or something is written behind the op's temporary memory
 */
async function checkFolded(op: Op<unknown>, device: WebGpuDevice, seed: number): Promise<void> {
  const webgpu = op.kernels?.webgpu;
  if (!webgpu) return;
  const temporaries: { whole: Tensor; words: number }[] = [];
  const folded: Op<unknown> = {
    ...op,
    kernels: {
      webgpu(run, call) {
        const dispatch: typeof run.dispatch = (made, buffers, uniforms, [x, y, z]) =>
          run.dispatch(made, buffers, uniforms, y === undefined ? [x] : [x, 2 * y, z]);
        const temporary = (byteLength: number) => {
          const words = 4 * Math.ceil(byteLength / 16);
          const canaries = new Uint32Array(words + 4096).fill(canary);
          const whole = tensor(canaries, [canaries.length], 'u32', device);
          temporaries.push({ whole, words });
          return whole.storage;
        };
        webgpu({ ...run, dispatch, temporary }, call);
      },
    },
  };
  await checkFenced(folded, device, seed);
  for (const { whole, words } of temporaries) {
    const behind = (await whole.data()).subarray(words);
    expect(behind.findIndex((word) => word !== canary)).toBe(-1);
    whole.dispose();
  }
}
const canary = 0x7fc0dead;

describe.each([
  ['of one subgroup size', kernels],
  ['with the least limits and no features', frugal],
])('variants for hardware %s', (_, ops) => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    const { adapter, name } = await openAdapter({ choice: 'swiftshader' });
    // What is not asked for, WebGPU does not give, whatever the adapter has.
    const gpu = await (ops === frugal ? adapter.requestDevice() : requestGpu(adapter, name));
    device = new WebGpuDevice(gpu, {
      name,
      capabilities: capabilitiesOf(adapter, gpu, 'hardware'),
    });
  });
  afterAll(() => device.destroy());

  test('these are the limits and features', () => {
    const { limits, subgroups } = device.capabilities;
    expect(limits.maxStorageBuffersPerShaderStage === 8).toBe(ops === frugal);
    expect(limits.maxComputeWorkgroupStorageSize === 16384).toBe(ops === frugal);
    expect(subgroups === undefined).toBe(ops === frugal);
  });

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
          await checkFolded(op, device, seed);
          await checkVjp(op, device, seed);
        }),
        { numRuns: 8 },
      );
    });
  }
});
