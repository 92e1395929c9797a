export {
  sequentialBatches,
  shuffledBatches,
  type Batches,
  type Permutation,
} from './data/batches.ts';
export { IdxError, readIdx, type IdxArray } from './data/idx.ts';
export { gather, imageDataset, imageSize, type ImageDataset } from './data/image-dataset.ts';
export { padToPatch, patchPadding, type Padding } from './data/padding.ts';
export { heldOutKeys, splitOff, subset } from './data/split.ts';
export { fitHistogram, histogramBitsPerDim, type PixelHistogram } from './histogram.ts';
export { nearestMatch } from './nearest-match.ts';
