import { expect, test } from 'vitest';
import { WebGpuDevice, type Device } from '@farmer/tensor';
import { describeOnDevices } from '../support/devices.ts';
import { mlpTraining } from '../support/mlp-training.ts';

const replays = 50;

/** What a steady step must not add to; the CPU device counts no such objects. */
const statistics = (device: Device) =>
  device instanceof WebGpuDevice ? device.statistics() : { submits: 0 };

describeOnDevices('training', (device) => {
  test('a captured step replays the eager loop to the bit', async () => {
    const eager = mlpTraining(5);
    const expected: number[] = [];
    for (let step = 0; step <= replays; step++) {
      eager.prepare(step);
      eager.compute();
      expected.push(await eager.loss.item());
    }
    eager.dispose();
    expect(expected.at(-1)).toBeLessThan(0.6 * expected[0]!);

    const captured = mlpTraining(5);
    captured.prepare(0);
    const graph = device().capture(() => captured.compute());
    const losses = [await captured.loss.item()];
    for (let step = 1; step <= replays; step++) {
      captured.prepare(step);
      graph.replay();
      losses.push(await captured.loss.item());
    }
    expect(losses).toEqual(expected);
    graph.dispose();
    captured.dispose();
  });

  test.each(['eager', 'captured'])(
    'a steady %s step makes no GPU object, holds no more memory and submits once',
    async (mode) => {
      const training = mlpTraining(6);
      training.prepare(0);
      const graph = mode === 'captured' ? device().capture(() => training.compute()) : undefined;
      const step = async (i: number) => {
        training.prepare(i);
        if (graph) graph.replay();
        else training.compute();
        await training.loss.item();
      };
      for (let i = 1; i <= 5; i++) await step(i);
      const memory = device().memory();
      const { submits, ...objects } = statistics(device());
      for (let i = 6; i < 26; i++) await step(i);
      expect(device().memory()).toEqual(memory);
      const perStep = device().kind === 'webgpu' ? 1 : 0;
      expect(statistics(device())).toEqual({ submits: submits + 20 * perStep, ...objects });
      graph?.dispose();
      training.dispose();
    },
  );

  test('disposing a training frees all it held', () => {
    const before = device().memory().liveBlocks;
    const training = mlpTraining(7);
    training.prepare(0);
    const graph = device().capture(() => training.compute());
    expect(device().memory().liveBlocks).toBeGreaterThan(before);
    graph.dispose();
    training.dispose();
    expect(device().memory().liveBlocks).toBe(before);
  });

  test('a captured step must not write from the host', () => {
    const training = mlpTraining(8);
    expect(() => device().capture(() => training.prepare(0))).toThrow(
      'capture: the body writes a tensor from the host',
    );
    training.dispose();
  });
});
