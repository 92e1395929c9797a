import { expect, test } from 'vitest';
import { DeferredError } from '../../packages/tensor/src/webgpu/deferred-error.ts';

function fakeGpu(lost: Promise<GPUDeviceLostInfo> = new Promise(() => {})) {
  const gpu = Object.assign(new EventTarget(), { lost });
  const report = (message: string) =>
    gpu.dispatchEvent(Object.assign(new Event('uncapturederror'), { error: { message } }));
  return { gpu: gpu as unknown as GPUDevice, report };
}

const lost = (reason: GPUDeviceLostReason, message: string) =>
  Promise.resolve({ reason, message } as GPUDeviceLostInfo);

test('the first error is the one that is thrown, and again', () => {
  const { gpu, report } = fakeGpu();
  const error = new DeferredError(gpu);
  expect(() => error.check()).not.toThrow();
  report('no memory');
  report('an invalid buffer');
  for (let i = 0; i < 2; i++) expect(() => error.check()).toThrow('WebGPU: no memory');
});

test('a lost device says what to do, and one that was destroyed is no error', async () => {
  const crashed = new DeferredError(fakeGpu(lost('unknown', ' ')).gpu);
  const destroyed = new DeferredError(fakeGpu(lost('destroyed', 'by the program')).gpu);
  await Promise.resolve();
  expect(() => crashed.check()).toThrow(
    'the GPU device was lost (the driver gave no reason); its memory is gone, so start again from the last checkpoint',
  );
  expect(() => destroyed.check()).not.toThrow();
});
