import { expect, test } from 'vitest';
import { AdamW } from '@farmer/nn';
import { fill, persist, scope, slice, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { Moments } from '../../packages/nn/src/optimisers/moments.ts';

// Together more than 2²⁵ elements, the 128 MiB that every adapter binds.
const shapes = { first: [2], large: [4096, 4096], larger: [4097, 4096], last: [3] };

test('moments that one binding does not hold are updated in parts, and saved like any others', async () => {
  const device = await openDevice({ device: 'cpu' });
  const filled = (value: number) =>
    new Map(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        persist(fill(shape, value, 'f32', device)),
      ]),
    );
  const parameters = filled(1);
  const moments = new Moments(parameters, ['mean']);
  expect(moments.parts.map(({ first, end }) => [first, end])).toEqual([
    [0, 2],
    [2, 4],
  ]);
  for (const { arenas } of moments.parts) expect(arenas[0]!.size).toBeLessThanOrEqual(2 ** 25);
  moments.dispose();

  const gradients = filled(0.5);
  const optimiser = new AdamW(parameters, { betas: [0.9, 0.95] });
  optimiser.setStep(0.1, 1);
  scope(() => void optimiser.update([...gradients.values()]));

  // The first step of Adam is as long as the learning rate, whatever the gradient.
  for (const [name, parameter] of parameters) {
    for (const end of ends(parameter)) {
      const wrong = (await end.data()).findIndex((value) => Math.abs(value - 0.9) > 1e-6);
      expect(wrong, `${name}: an element that did not move by the learning rate`).toBe(-1);
    }
  }
  const state = await optimiser.stateDict();
  for (const [name, shape] of Object.entries(shapes)) {
    const { data, shape: saved } = state[`firstMoment.${name}`]!;
    expect(saved).toEqual(shape);
    expect([data[0], data.at(-1)]).toEqual([Math.fround(0.05), Math.fround(0.05)]);
  }
  device.destroy();
});

/** A parameter's first and last row. */
const ends = (parameter: Tensor): Tensor[] =>
  [0, parameter.shape[0]! - 1].map((start) => slice(parameter, { axis: 0, start, end: start + 1 }));
