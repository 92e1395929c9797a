import { expect, test } from 'vitest';
import { WebGpuDevice } from '@farmer/tensor';
import { describeOnDevices } from '../support/devices.ts';
import { mlpTraining } from '../support/mlp-training.ts';

describeOnDevices('precompile', (device) => {
  const pipelines = () =>
    device() instanceof WebGpuDevice ? (device() as WebGpuDevice).statistics().pipelines : 0;

  test('changes nothing, takes no memory, and leaves a step nothing to compile', async () => {
    const [warm, cold] = [mlpTraining(11), mlpTraining(11)];
    warm.prepare(0);
    cold.prepare(0);
    const memory = device().memory();
    const seen: [number, number][] = [];
    await device().precompile(
      () => warm.compute(),
      (done, total) => seen.push([done, total]),
    );
    expect(device().memory()).toEqual(memory);
    expect(seen.map(([done]) => done)).toEqual(seen.map((_, i) => i + 1));
    if (device().kind === 'webgpu') expect(seen.at(-1)![1]).toBe(seen.length);

    const compiled = pipelines();
    warm.compute();
    const loss = await warm.loss.item();
    expect(pipelines()).toBe(compiled);
    cold.compute();
    expect(loss).toBe(await cold.loss.item());

    // What is there already is not compiled again.
    await device().precompile(
      () => warm.compute(),
      () => expect.unreachable(),
    );
    warm.dispose();
    cold.dispose();
  });
});
