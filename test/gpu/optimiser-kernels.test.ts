import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  adamwUpdate,
  arenaSize,
  clipScale,
  globalNorm,
  scope,
  tensor,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { openTestDevice, testDevices } from '../support/devices.ts';

for (const name of testDevices) {
  describe(`optimiser kernels on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openTestDevice(name);
    });
    afterAll(() => device.destroy());

    const values = async (tensors: readonly Tensor[]) =>
      Promise.all(tensors.map(async (x) => [...(await x.data())]));

    test.each([NaN, Infinity, -Infinity, 1e30])(
      'a gradient of %d skips the step and touches nothing',
      async (bad) => {
        const parameters = [tensor([1, 2, 3]), tensor([4, 5, 6, 7, 8], [5, 1])];
        const gradients = [tensor([1, bad, 0]), tensor([1, 1, 1, 1, 1], [5, 1])];
        const arena = () => tensor(new Float32Array(arenaSize(parameters)).fill(0.5));
        const [firstMoments, secondMoments] = [arena(), arena()];
        const state = [...parameters, firstMoments, secondMoments];
        const before = await values(state);
        const clip = scope(() => clipScale(globalNorm(gradients), 1));
        const scalars = tensor([0.1, 0.1, 0.05, 0]);
        adamwUpdate(
          { parameters, gradients, firstMoments, secondMoments, scalars, clip },
          { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: [0.1, 0.1] },
        );
        expect(await values(state)).toEqual(before);
        expect([...(await clip.data())]).toEqual([0, 0]);
      },
    );

    test('a captured step follows the scalars that are written between replays', async () => {
      const rates = [0.1, 0.03, 0.2, 0.01];
      const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: [0.1, 0, 0.1, 0, 0] };
      const sizes = [5, 1, 300, 7, 64];
      const make = () => {
        const parameters = sizes.map((n) => tensor(Float32Array.from({ length: n }, Math.sin)));
        const gradients = sizes.map((n) => tensor(Float32Array.from({ length: n }, Math.cos)));
        const arena = () => tensor(new Float32Array(arenaSize(parameters)));
        const scalars = tensor([0, 1, 1, 0]);
        const state = {
          parameters,
          gradients,
          firstMoments: arena(),
          secondMoments: arena(),
          scalars,
        };
        const step = () =>
          scope(() =>
            adamwUpdate({ ...state, clip: clipScale(globalNorm(gradients), 1) }, options),
          );
        const write = (i: number) =>
          scalars.write([rates[i]!, 1 - 0.9 ** (i + 1), 1 - 0.95 ** (i + 1), 0]);
        return { parameters, step, write };
      };

      const plain = make();
      rates.forEach((_, i) => {
        plain.write(i);
        plain.step();
      });
      const captured = make();
      captured.write(0);
      const graph = device.capture(captured.step);
      for (let i = 1; i < rates.length; i++) {
        captured.write(i);
        graph.replay();
      }
      expect(await values(captured.parameters)).toEqual(await values(plain.parameters));
      graph.dispose();
    });
  });
}
