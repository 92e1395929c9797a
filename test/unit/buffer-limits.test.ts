import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { BufferPool } from '../../packages/tensor/src/webgpu/buffer-pool.ts';
import { StagingBuffers } from '../../packages/tensor/src/webgpu/staging-buffers.ts';

beforeAll(() => vi.stubGlobal('GPUBufferUsage', {}));
afterAll(() => vi.unstubAllGlobals());

/** A device whose buffers are sizes alone; like some drivers', its limits are no power of two. */
const limit = 2 ** 31 - 4;
const gpu = {
  limits: { maxStorageBufferBindingSize: limit, maxBufferSize: limit },
  createBuffer: ({ size }: GPUBufferDescriptor) => ({ size }) as GPUBuffer,
} as unknown as GPUDevice;

const nearly = 2 ** 31 - 2 ** 20;

test('a tensor that an adapter binds is allocated, though its bucket would be too large', () => {
  const pool = new BufferPool(gpu);
  const { byteLength } = pool.allocate(nearly);
  expect(byteLength).toBeGreaterThanOrEqual(nearly);
  expect(byteLength).toBeLessThanOrEqual(limit);
  expect(() => pool.allocate(2 ** 31)).toThrow(`larger than this adapter's ${limit} bytes`);
});

test('a tensor of more than half of the largest buffer is read', () => {
  const { size } = new StagingBuffers(gpu).take(nearly);
  expect(size).toBeGreaterThanOrEqual(nearly);
  expect(size).toBeLessThanOrEqual(limit);
});
