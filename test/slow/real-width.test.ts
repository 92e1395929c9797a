import { expect, test } from 'vitest';
import { valueAndGrad } from '@farmer/autograd';
import { Init } from '@farmer/nn';
import { assign, map, mean, scope, sum, tensor } from '@farmer/tensor';
import { dimensions, FlowBlock, preset } from 'farmer';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters } from '../support/farmer.ts';

describeOnDevices('the real width', () => {
  test('a flow block of FARMER-1.1B runs forward and backward, and its gradient descends', async () => {
    const { model } = preset('farmer-1.1b');
    const { tokens, channels } = dimensions(model);
    const block = new FlowBlock(new Init(1), {
      ...model.flow,
      ...{ tokens, channels, direction: 'backward' },
    });
    randomizeParameters(block, 2, 0.02);
    expect(block.parameterCount()).toBeGreaterThan(30e6);
    const x = tensor(normals(3, tokens * channels), [1, tokens, channels]);
    // −log p under N(0, I), per value.
    const loss = () =>
      scope(() => {
        const { z, logDet } = block.forward(x);
        const squares = mean(map('0.5 * z * z', { z }));
        return map('s - l / values', { s: squares, l: sum(logDet), values: tokens * channels });
      });
    const parameters = block.parameters();
    const { value, gradients } = valueAndGrad(loss, parameters);
    const before = await value.item();
    const squared = scope(() =>
      gradients.map((g) => sum(map('g * g', { g }))).reduce((a, b) => map('a + b', { a, b })),
    );
    const norm = Math.sqrt(await squared.item());
    expect(norm).toBeGreaterThan(1e-3);

    // A step of length δ against the gradient lowers the loss by δ·|g| to first order.
    const step = Math.min(2e-2, 0.02 / norm);
    scope(() =>
      parameters.forEach((p, i) => {
        assign(p, map('p - s * g', { p, g: gradients[i]!, s: step / norm }));
      }),
    );
    const after = await loss().item();
    expect((before - after) / (step * norm)).toBeGreaterThan(0.8);
    expect((before - after) / (step * norm)).toBeLessThan(1.2);
  });
});
