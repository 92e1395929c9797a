import { expect, test } from 'vitest';
import { map, matmul, ones, scope, type WebGpuDevice } from '@farmer/tensor';
import { describeOnDevices, testAdapters } from '../support/devices.ts';

describeOnDevices(
  'a profile',
  (device) => {
    const webGpu = () => device() as WebGpuDevice;

    test('has the time of each dispatch in its order, and changes no result', async () => {
      const x = ones([64, 64]);
      const graph = webGpu().capture(() => {
        scope(() => void map('x / 2', { x: matmul(x, x) }));
      });
      expect(graph.kernels).toHaveLength(2);
      const times = await webGpu().profile(() => {
        graph.replay();
        graph.replay();
      });
      expect(times.map(({ kernel }) => kernel)).toEqual([...graph.kernels, ...graph.kernels]);
      for (const { nanoseconds } of times) expect(nanoseconds).toBeGreaterThan(0);
      const [y] = scope(() => [matmul(x, x)]);
      expect((await y!.data())[0]).toBe(64);
      [x, y!, graph].forEach((each) => each.dispose());
    });

    test('holds more dispatches than one query set, and none', async () => {
      const x = ones([4]);
      const graph = webGpu().capture(() => scope(() => void map('x + 1', { x })));
      const times = await webGpu().profile(() => {
        for (let i = 0; i < 2100; i++) graph.replay();
      });
      expect(times).toHaveLength(2100);
      for (const { nanoseconds } of times) expect(nanoseconds).toBeGreaterThanOrEqual(0);
      expect(await webGpu().profile(() => {})).toEqual([]);
      [x, graph].forEach((each) => each.dispose());
    });

    test('ends when its body fails', async () => {
      const failing = webGpu().profile(() => {
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      const x = ones([4]);
      const y = map('x + 1', { x });
      expect(await y.data()).toEqual(Float32Array.of(2, 2, 2, 2));
      [x, y].forEach((each) => each.dispose());
    });
  },
  testAdapters,
);
