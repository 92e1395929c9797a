import { expect, test } from 'vitest';
import { WebGpuDevice } from '@farmer/tensor';
import { Farmer, fitHistogram, preset, Trainer } from 'farmer';
import { describeOnDevices } from '../support/devices.ts';
import { tinyConfig } from '../support/farmer.ts';
import { syntheticImages } from '../support/synthetic-images.ts';

describeOnDevices('training FARMER', (device) => {
  test('memory stays flat over 1,000 steps of one submit each', async () => {
    const dataset = syntheticImages(200, 4, 6);
    const training = { ...preset('tiny').training, steps: 1001, batch: 16 };
    const histogram = fitHistogram(dataset);
    const model = new Farmer(tinyConfig, 1);
    const trainer = new Trainer(model, training, dataset, { histogram, seed: 1 });
    trainer.advance();
    await trainer.readMetrics();
    const memory = device().memory();
    const submits = () => (device() as WebGpuDevice).statistics().submits;
    const before = device() instanceof WebGpuDevice ? submits() : 0;
    for (let i = 0; i < 1000; i++) {
      trainer.advance();
      if (i % 50 === 49) await device().synchronize();
    }
    expect(device().memory()).toEqual(memory);
    if (device() instanceof WebGpuDevice) expect(submits() - before).toBe(1000);
  });
});
