import { expect, test } from 'vitest';
import { fitHistogram, imageDataset, pixelMap, type ModelConfig } from 'farmer';
import { ImageBatches } from '../../packages/farmer/src/image-batches.ts';
import { describeOnDevices } from '../support/devices.ts';
import { tinyConfig } from '../support/farmer.ts';

// Images that are all alike: what differs between them and between steps is noise.
const count = 4;
const dataset = imageDataset({
  ...{ name: 'alike', height: 4, width: 6, channels: 1, classNames: ['a', 'b', 'c'] },
  images: new Uint8Array(count * 24).fill(100),
  labels: new Uint8Array(count),
});

describeOnDevices('batches of images', () => {
  test.each(['uniform', 'gaussian', 'cdf'] as const)(
    'get other noise in each step, on each image and under each seed, and the same in the same step: %s',
    async (pixels) => {
      const model: ModelConfig = { ...tinyConfig, pixels };
      const map = pixelMap(model, fitHistogram(dataset), 0.1);
      const write = async (seed: number, steps: readonly number[]) => {
        const batches = new ImageBatches(dataset, {
          ...{ batch: 2, seed, model, pixelMapAt: () => map },
        });
        const images: string[] = [];
        for (const step of steps) {
          batches.write(step);
          const values = await batches.images.data();
          images.push(values.slice(0, 24).join(), values.slice(24).join());
        }
        batches.dispose();
        return images;
      };
      const steps = [0, 1, 2, 3];
      const images = await write(1, steps);
      expect(new Set([...images, ...(await write(2, steps))]).size).toBe(2 * images.length);
      expect(await write(1, steps.slice(2))).toEqual(images.slice(4));
    },
  );
});
