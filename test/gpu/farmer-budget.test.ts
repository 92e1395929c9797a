import { expect, test } from 'vitest';
import { ShapeInit } from '@farmer/nn';
import { ShapeDevice, withDefaultDevice } from '@farmer/tensor';
import { Farmer, parameterCounts, preset, type ModelConfig } from 'farmer';
import { describeOnDevices } from '../support/devices.ts';

describeOnDevices('budget', () => {
  test("counts are the built model's, parameter by parameter", () => {
    const { model: tiny } = preset('tiny');
    const variants: ModelConfig[] = [
      ...['tiny', 'small', 'base'].map((name) => preset(name).model),
      { ...tiny, flow: { ...tiny.flow, kind: 'jet' } },
      { ...tiny, prior: 'gaussian' },
      { ...tiny, redundantPrior: 'independent-gaussian' },
      { ...tiny, informativeChannels: 16 },
    ];
    for (const config of variants) {
      const built = new Farmer(config, 1);
      expect(parameterCounts(config).total).toBe(built.parameterCount());
      const shapes = new ShapeDevice();
      const counted = withDefaultDevice(shapes, () => new Farmer(config, new ShapeInit(shapes)));
      const describe = (model: Farmer) =>
        [...model.namedParameters()].map(([path, { shape }]) => `${path} ${shape.join('×')}`);
      expect(describe(counted)).toEqual(describe(built));
      built.dispose();
    }
  });
});
