/**
 * 5. Inside a trained model: where the bits of an image are, what its latents hold, and a new image.
 *    npx tsx examples/5-inside.ts
 */
import { map, philoxUniforms, RandomStream, scope, tensor, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { evaluate, guidancePresets, imagesAt, pixelMap, sampleImages, subset } from 'farmer';
import { loadSplit, loadTrainedModel, weightsFile } from 'farmer/node';

const device = await openDevice();

// The tiny model that comes with the project. A checkpoint holds what is needed of its training images, too.
const { model, checkpoint } = await loadTrainedModel(weightsFile('mnist-tiny'));
const test = await loadSplit('mnist', 'test');
const pixels = pixelMap(model.config, checkpoint.histogram, 0);

// The likelihood is a sum of parts (eq. 14): of both kinds of latent channels, and the log-dets of flow and pixel map.
const some = subset(test, [...Array(200).keys()]);
const { bitsPerDim, parts } = await evaluate(model, checkpoint.histogram, some);
console.log(`bits/dim of ${some.count} test images: ${bitsPerDim.toFixed(3)}`);
for (const [part, bits] of Object.entries(parts)) console.log(`  ${part}: ${bits.toFixed(3)}`);

// X → Z → X: the flow keeps everything. Without the redundant half of Z, its first half still says what the image is.
const { images, labels } = imagesAt(test, [3, 2, 1, 18]);
const count = labels.length;
const { values } = pixels.forward(images, philoxUniforms(1, 0, 0, images.length));
const z = scope(() => model.flow.forward(model.tokens(tensor(values, [count, 28, 28, 1]))).z);
const again = await bytes(() => model.images(model.flow.inverse(z)));
const half = await bytes(() => {
  const { informative, redundant } = model.split(z);
  const none = redundant && map('0 * x', { x: redundant });
  return model.images(model.flow.inverse(model.join({ informative, redundant: none })));
});
const worst = Math.max(...again.map((byte, i) => Math.abs(byte - images[i]!)));
console.log(`\ntest images, after X → Z → X, which changes a pixel by at most ${worst} of 255:\n`);
show(again);
console.log('\nthe same with Zᴿ = 0:\n');
show(half);

console.log('\nnew ones of the same classes, with guidance:\n');
const classes = model.labels(labels);
const guidance = guidancePresets['farmer-1.1b'];
show(await bytes(() => sampleImages(model, classes, new RandomStream(4), { guidance })));
device.destroy();

/** The bytes of images that are values of the pixel map, [B, H, W, C]. */
async function bytes(body: () => Tensor): Promise<Uint8Array> {
  return pixels.inverse(await scope(body).data());
}

/** Side by side, two rows of pixels in one of text. */
function show(digits: Uint8Array): void {
  const isInk = (image: number, y: number, x: number) => digits[(image * 28 + y) * 28 + x]! > 100;
  for (let y = 2; y < 26; y += 2) {
    const row = Array.from({ length: count * 28 }, (_, at) => {
      const [image, x] = [Math.floor(at / 28), at % 28];
      return ' ▀▄█'[(isInk(image, y, x) ? 1 : 0) + (isInk(image, y + 1, x) ? 2 : 0)];
    });
    console.log(row.join('').trimEnd());
  }
}
