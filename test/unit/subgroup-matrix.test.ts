import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, type WebGpuCapabilities } from '@farmer/tensor';
import { planEpilogue } from '../../packages/tensor/src/webgpu/matmul/epilogue.ts';
import { matmulProblems } from '../../packages/tensor/src/matmul-problem.ts';
import { matmulVariants, selectMatmul } from '../../packages/tensor/src/webgpu/matmul/select.ts';
import { subgroupMatrix } from '../../packages/tensor/src/webgpu/matmul/subgroup-matrix.ts';
import { largeTile, tile } from '../../packages/tensor/src/webgpu/matmul/tile.ts';

const shapes = [
  { m: 8, n: 8, k: 8 },
  { m: 16, n: 16, k: 16 },
  { m: 8, n: 16, k: 16 },
];

/** Dawn's null backend has every feature and computes nothing: its front end checks the WGSL. */
describe('the subgroup-matrix variant', () => {
  let device: GPUDevice;
  let lanes: number;
  beforeAll(async () => {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    nullBackend = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
    const adapter = (await nullBackend.requestAdapter())!;
    lanes = adapter.info.subgroupMaxSize;
    const requiredFeatures = [
      'chromium-experimental-subgroup-matrix',
      'shader-f16',
      'subgroups',
    ] as GPUFeatureName[];
    const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX } = adapter.limits;
    const { maxComputeWorkgroupStorageSize } = adapter.limits;
    device = await adapter.requestDevice({
      requiredFeatures,
      requiredLimits: {
        maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX,
        maxComputeWorkgroupStorageSize,
      },
    });
  });

  afterAll(() => device.destroy());

  const forms = [false, true].flatMap((transposeA) =>
    [false, true].flatMap((transposeB) =>
      [false, true].map((aligned) => ({ transposeA, transposeB, aligned, alignedA: aligned })),
    ),
  );
  test.each(shapes)('compiles for matrices of $m × $n × $k', async (shape) => {
    const output = [64, 64];
    const epilogue = planEpilogue(output, parse('relu(acc * scale)'), [], [], { scale: 2 });
    for (const form of forms) {
      const { source } = subgroupMatrix(lanes, shape).make({ ...form, epilogue });
      const module = device.createShaderModule({ code: source });
      const { messages } = await module.getCompilationInfo();
      expect(messages.map(({ message }) => message)).toEqual([]);
      const rights = source
        .match(/subgroup_matrix_right<f16, (\d+), (\d+)>/)!
        .slice(1)
        .map(Number);
      expect(rights).toEqual([shape.n, shape.k]);
    }
  });
});

// Dawn must not lose the instance while a device lives.
let nullBackend: GPU;

describe('the choice of a matmul variant on hardware', () => {
  const gpu = {
    adapterKind: 'hardware',
    subgroups: { minSize: 32, maxSize: 32 },
    limits: {
      maxComputeInvocationsPerWorkgroup: 1024,
      maxComputeWorkgroupStorageSize: 49152,
    } as GPUSupportedLimits,
  } satisfies WebGpuCapabilities;
  const problem = (m: number, k: number, n: number) =>
    matmulProblems([m, k], [k, n], false, false)[0]!;
  const choose = (capabilities: WebGpuCapabilities, side: number) =>
    selectMatmul(capabilities, problem(side, side, side)).variant;

  test('is the small tile until there are enough large ones', () => {
    expect(choose(gpu, 512)).toBe(tile);
    expect(choose(gpu, 4096)).toBe(largeTile);
    expect(choose(gpu, 16).name).toBe('matmul-1-naive');
  });

  test('is never f16, unless matrix units are named', () => {
    expect(matmulVariants(gpu).some(({ reducedPrecision }) => reducedPrecision)).toBe(false);
    const allowed = { ...gpu, subgroupMatrix: shapes[1]! };
    expect(choose(allowed, 512).reducedPrecision).toBe(true);
    const names = matmulVariants(allowed).map(({ name }) => name);
    expect(names).toContain('matmul-5-subgroup-matrix-32-16x16x16');
  });

  test.each([
    ['matrices do not divide its squares', { subgroupMatrix: { m: 12, n: 8, k: 8 } }],
    ['subgroups vary in size', { subgroups: { minSize: 16, maxSize: 32 } }],
    [
      'there is little workgroup memory',
      { limits: { ...gpu.limits, maxComputeWorkgroupStorageSize: 16384 } },
    ],
  ] as [string, Partial<WebGpuCapabilities>][])('is not f16 where %s', (_, changes) => {
    const capabilities = { ...gpu, subgroupMatrix: shapes[1]!, ...changes };
    expect(choose(capabilities, 4096)).toBe(largeTile);
  });
});
