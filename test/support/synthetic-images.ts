import { philoxIntegers, philoxUniforms } from '@farmer/tensor';
import { imageDataset, type ImageDataset } from 'farmer';

/** Small grey images of three classes that differ: a bright half on the left, on the right, or none; with noise. */
export function syntheticImages(count: number, height: number, width: number): ImageDataset {
  const labels = philoxIntegers(1, 0, 0, count, 3);
  const noise = philoxUniforms(1, 0, 1, count * height * width);
  const images = Uint8Array.from(noise, (u, i) => {
    const left = i % width < width / 2;
    const label = labels[Math.floor(i / (height * width))]!;
    const bright = (label === 0 && left) || (label === 1 && !left);
    return Math.floor((bright ? 160 : 10) + 60 * u);
  });
  const classNames = ['left', 'right', 'dark'];
  return imageDataset({
    name: 'synthetic',
    images,
    height,
    width,
    channels: 1,
    classNames,
    labels,
  });
}
