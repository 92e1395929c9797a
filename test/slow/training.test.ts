import { expect, test } from 'vitest';
import { describeOnDevices } from '../support/devices.ts';
import { mlpTraining } from '../support/mlp-training.ts';

describeOnDevices('long training', (device) => {
  test('1,000 captured and 1,000 eager steps hold no more memory than ten', async () => {
    for (const captured of [true, false]) {
      const training = mlpTraining(9);
      training.prepare(0);
      const graph = captured ? device().capture(() => training.compute()) : undefined;
      const steps = async (count: number) => {
        for (let i = 1; i <= count; i++) {
          training.prepare(i);
          if (graph) graph.replay();
          else training.compute();
          await training.loss.item();
        }
      };
      await steps(10);
      const memory = device().memory();
      await steps(1000);
      expect(device().memory()).toEqual(memory);
      expect(await training.loss.item()).toBeLessThan(0.2);
      graph?.dispose();
      training.dispose();
    }
  });
});
