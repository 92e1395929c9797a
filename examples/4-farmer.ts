/**
 * 4. FARMER: train a model on images that are made here, measure its bits per dimension, and draw new images.
 *    npx tsx examples/4-farmer.ts
 */
import { philoxUniforms, RandomStream, scope } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import {
  evaluate,
  Farmer,
  fitHistogram,
  histogramBitsPerDim,
  imageDataset,
  parseConfig,
  pixelMap,
  preset,
  sampleImages,
  Trainer,
} from 'farmer';

const device = await openDevice();

const size = 8;
const noiseLevels = 40;
const classNames = ['lying', 'standing'];

/** Images of one bright bar, two pixels wide and anywhere; its class is its direction. */
function bars(name: string, count: number, seed: number) {
  const places = philoxUniforms(seed, 0, 0, count);
  const noise = philoxUniforms(seed, 0, 1, count * size * size);
  const images = Uint8Array.from(noise, (u, i) => {
    const image = Math.floor(i / (size * size));
    const across = image % 2 === 0 ? Math.floor(i / size) % size : i % size;
    const start = Math.floor(places[image]! * (size - 1));
    return (across === start || across === start + 1 ? 200 : 0) + Math.floor(noiseLevels * u);
  });
  const labels = Uint8Array.from({ length: count }, (_, image) => image % 2);
  return imageDataset({ name, images, labels, height: size, width: size, channels: 1, classNames });
}

// For images in a folder: await loadSplit('./photos', 'train', { height: size, width: size }), of 'farmer/node'.
const [train, test] = [bars('bars', 2000, 1), bars('other bars', 500, 2)];
const histogram = fitHistogram(train);

// A preset, and what is to differ. Tokens of 2 × 2 raw pixels suit images as small as these.
const { model, training } = preset('tiny');
const image = { height: size, width: size, channels: 1 };
const patches = { patch: 2, patchTransform: 'none', informativeChannels: 4 };
const config = parseConfig(
  {
    model: { ...model, image, classes: classNames.length, pixels: 'uniform', ...patches },
    training: { ...training, steps: 400, warmup: 20 },
  },
  'the example', // named in errors
);

const farmer = new Farmer(config.model, 0); // initial weights from seed 0
const trainer = new Trainer(farmer, config.training, train, { histogram, seed: 0 });
while (trainer.step < config.training.steps) {
  trainer.advance();
  if (trainer.step % 100 > 0) continue;
  const { step, bitsPerDim } = await trainer.readMetrics();
  console.log(`step ${step}: ${bitsPerDim.toFixed(3)} bits/dim in training`);
}

// Exact likelihoods of images that it was not trained on, between a histogram's and the best there can be: the bits of
// each pixel's noise, and of the bar's place.
const { bitsPerDim } = await evaluate(farmer, histogram, test);
const independent = histogramBitsPerDim(histogram, test);
const entropy = Math.log2(noiseLevels) + Math.log2(size - 1) / (size * size);
console.log(
  `test bits/dim: ${bitsPerDim.toFixed(3)}; independent pixels: ${independent.toFixed(3)}; the images' entropy: ${entropy.toFixed(3)}`,
);

// Two new images of either class: values of the pixel map, which takes them back to bytes.
const labels = farmer.labels([0, 0, 1, 1]);
const values = scope(() => sampleImages(farmer, labels, new RandomStream(3)));
const pixels = pixelMap(config.model, histogram, 0).inverse(await values.data());
for (let row = 0; row < size; row++) {
  const line = [0, 1, 2, 3].map((image) => {
    const start = (image * size + row) * size;
    return Array.from(pixels.subarray(start, start + size), (p) => (p > 120 ? '██' : '··')).join(
      '',
    );
  });
  console.log(line.join('  '));
}
device.destroy();
