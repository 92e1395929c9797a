import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { philoxUniforms, scope, tensor, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { imagesAt, pixelMap, type ImageDataset, type PixelMap } from 'farmer';
import { loadSplit, loadTrainedModel, weightsFile, type TrainedModel } from 'farmer/node';
import { writeChart } from '../../../packages/farmer/cli/files/chart.ts';

const FOLDER = fileURLToPath(new URL('../../images/method', import.meta.url));

export interface Scene extends TrainedModel {
  readonly test: ImageDataset;
  readonly pixels: PixelMap;
}

/** Opens the CPU device, loads the tiny model that comes with the project and MNIST's test images, and draws. */
export async function withTinyModel(draw: (scene: Scene) => Promise<void>): Promise<void> {
  const device = await openDevice({ device: 'cpu' });
  try {
    const trained = await loadTrainedModel(weightsFile('mnist-tiny'));
    const test = await loadSplit('mnist', 'test');
    const pixels = pixelMap(trained.model.config, trained.checkpoint.histogram, 0);
    await draw({ ...trained, test, pixels });
  } finally {
    device.destroy();
  }
}

/** Test images: their bytes, their labels, and what the flow sees of them, X [B, N, d]. */
export function testImages({ model, test, pixels }: Scene, indices: readonly number[]) {
  const { images, labels } = imagesAt(test, indices);
  const noise = philoxUniforms(1, 0, 0, images.length);
  const { values } = pixels.forward(images, noise);
  const x = scope(() => model.tokens(tensor(values, [indices.length, 28, 28, 1])));
  return { images, labels, x, noise };
}

/** Reads and frees a tensor. */
export async function read(body: () => Tensor): Promise<Float32Array> {
  const result = scope(body);
  const data = Float32Array.from(await result.data());
  result.dispose();
  return data;
}

/** X [B, N, d] as bytes of images. */
export async function bytesOf({ model, pixels }: Scene, body: () => Tensor): Promise<Uint8Array> {
  return pixels.inverse(await read(() => model.images(body())));
}

/** Writes a figure to docs/images/method. */
export async function writeFigure(name: string, svg: string): Promise<void> {
  await writeChart(join(FOLDER, `${name}.png`), svg);
  console.log(`docs/images/method/${name}.png`);
}
