import { expect, test } from 'vitest';
import { adapterName } from '../../packages/tensor/node/adapter.ts';

const info = (given: Partial<GPUAdapterInfo>) =>
  ({ vendor: '', architecture: '', device: '', description: '', ...given }) as GPUAdapterInfo;

test('a card is named beside its driver, a software adapter by its driver alone', () => {
  const card = { device: 'nvidia-h100-80gb-hbm3', description: 'NVIDIA: 580.159.04' };
  expect(adapterName(info(card))).toBe('nvidia-h100-80gb-hbm3, NVIDIA: 580.159.04');
  const software = { device: 'llvmpipe-llvm-15-0-6', description: 'llvmpipe: Mesa 25.0.7' };
  expect(adapterName(info({ ...software, isFallbackAdapter: true }))).toBe('llvmpipe: Mesa 25.0.7');
  expect(adapterName(info({ device: 'apple-m2' }))).toBe('apple-m2');
});
