import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { kernel } from '../../packages/tensor/src/webgpu/kernel.ts';
import { PipelineCache } from '../../packages/tensor/src/webgpu/pipelines.ts';

beforeAll(() => vi.stubGlobal('GPUShaderStage', {}));
afterAll(() => vi.unstubAllGlobals());

const gpu = {
  createBindGroupLayout: () => ({}),
  createPipelineLayout: () => ({}),
  createShaderModule: () => ({ getCompilationInfo: async () => ({ messages: [] }) }),
  createComputePipeline: () => ({}),
  createComputePipelineAsync: async () => ({}),
} as unknown as GPUDevice;

const make = (name: string) => kernel({ name, bindings: {}, code: `fn main() {} // ${name}` });

test('kernels that are compiled twice at a time have one pipeline, and no other has its number', async () => {
  const pipelines = new PipelineCache(gpu, (error) => {
    throw error;
  });
  const [first, second, third] = [make('first'), make('second'), make('third')];
  const compiling = [pipelines.compile([first, second]), pipelines.compile([first, second])];
  const early = pipelines.get(first);
  await Promise.all(compiling);
  expect(pipelines.get(make('first'))).toBe(early);
  const ids = [first, second, third].map((each) => pipelines.get(each).id);
  expect(new Set(ids).size).toBe(3);
  expect(pipelines.size).toBe(3);
});
