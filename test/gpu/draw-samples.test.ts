import { expect, test } from 'vitest';
import { Farmer, fitHistogram, imageDataset } from 'farmer';
import { drawSamples } from '../../packages/farmer/cli/sample-grid.ts';
import { describeOnDevices } from '../support/devices.ts';
import { tinyConfig } from '../support/farmer.ts';

const { image } = tinyConfig;
const histogram = fitHistogram(
  imageDataset({
    ...image,
    ...{ name: 'one', images: new Uint8Array(24), labels: [0], classNames: ['a'] },
  }),
);

describeOnDevices('drawing samples', (device) => {
  test('of a model that gives none says so, and keeps no memory', async () => {
    const model = new Farmer(tinyConfig, 1);
    model.flow.blocks[0]!.outputProjection.bias!.write(new Float32Array(8).fill(NaN));
    const draw = () => drawSamples(model, histogram, { labels: [0, 1], seed: 3 });
    const message = 'of 48 sampled values are not finite';
    await expect(draw()).rejects.toThrow(message); // and compiles the kernels
    const { liveBlocks } = device().memory();
    await expect(draw()).rejects.toThrow(message);
    expect(device().memory().liveBlocks).toBe(liveBlocks);
  });
});
