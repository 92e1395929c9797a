import { expect, test } from 'vitest';
import { ShapeInit } from '@farmer/nn';
import { empty, ShapeDevice, withDefaultDevice } from '@farmer/tensor';
import {
  CapturedTraining,
  Farmer,
  negativeLogLikelihood,
  parameterCounts,
  preset,
  trainingCost,
  type ModelConfig,
} from 'farmer';
import { describeOnDevices } from '../support/devices.ts';

describeOnDevices('budget', (device) => {
  // First, since it looks at the device's peak.
  test('a training step holds the memory that is counted, and little more', async () => {
    const config = preset('tiny');
    const batch = 64;
    const { height, width, channels } = config.model.image;
    const before = device().memory();
    const model = new Farmer(config.model, 1);
    const [images, labels] = [empty([batch, height, width, channels]), empty([batch], 'i32')];
    images.write(Float32Array.from({ length: images.size }, (_, i) => Math.sin(i)));
    labels.write(new Int32Array(batch));
    const training = new CapturedTraining(config.training, {
      parameters: model.namedParameters(),
      prepare: () => {},
      loss: () => negativeLogLikelihood(model.logLikelihood(images, labels), 784),
    });
    training.advance();
    await device().synchronize();
    const taken = device().memory().peak - before.live;
    const counted = trainingCost(config, batch).peakBytes;
    expect(taken).toBeGreaterThan(0.95 * counted);
    expect(taken).toBeLessThan(1.6 * counted);
    training.dispose();
    model.dispose();
  });

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
