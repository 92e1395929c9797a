import { expect, test } from 'vitest';
import { accuracy, classifyImages } from 'farmer';
import { readClassifier } from '../../packages/farmer/cli/classifier-file.ts';
import { loadDataset } from '../../packages/farmer/cli/data/load-dataset.ts';
import { resolveClassifier } from '../../packages/farmer/cli/weights.ts';
import { describeOnDevices } from '../support/devices.ts';

const IMAGES = 1000;

// Fashion-MNIST comes with a Debian package, which continuous integration installs and a user may lack.
const bars: [string, number][] = [['mnist', 0.99]];
if (process.env.CI || (await isPresent('fashion-mnist'))) bars.push(['fashion-mnist', 0.91]);

async function isPresent(data: string): Promise<boolean> {
  return loadDataset(data, 'test').then(
    () => true,
    () => false,
  );
}

describeOnDevices(
  'the classifiers that come with the project',
  () => {
    test.each(bars)('name the classes of %s as well as their files say', async (data, least) => {
      const { classifier, info } = await readClassifier(resolveClassifier(undefined, data));
      expect(info).toMatchObject({ data, testImages: 10_000 });
      expect(info.testAccuracy).toBeGreaterThanOrEqual(least);
      const { images, labels, classes } = await loadDataset(data, 'test');
      const first = await classifyImages(classifier, images.subarray(0, IMAGES * 784));
      const { share } = accuracy(first.logits, labels.subarray(0, IMAGES), classes);
      const p = info.testAccuracy;
      expect(share).toBeGreaterThan(p - 3 * Math.sqrt((p * (1 - p)) / IMAGES));
    });
  },
  ['cpu'],
);
