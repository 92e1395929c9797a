import { philoxPermutation } from '@farmer/tensor';
import { imagesAt, type ImageDataset } from '../src/data/image-dataset.ts';

/** `each` images of every class, class by class, drawn by the seed; a class with fewer images repeats them. */
export function imagesOfEveryClass(dataset: ImageDataset, each: number, seed: number): Uint8Array {
  const order = philoxPermutation(dataset.count, seed, 0);
  const ofClass = Array.from({ length: dataset.classes }, (): number[] => []);
  for (const index of order) {
    const chosen = ofClass[dataset.labels[index]!]!;
    if (chosen.length < each) chosen.push(index);
  }
  const filled = ofClass.filter((chosen) => chosen.length > 0);
  const indices = filled.flatMap((chosen) =>
    Array.from({ length: each }, (_, i) => chosen[i % chosen.length]!),
  );
  return imagesAt(dataset, indices).images;
}
