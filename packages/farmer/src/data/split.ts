import { imagesAt, imageDataset, type ImageDataset } from './image-dataset.ts';

/** The images at `indices` as a dataset of its own, with all the classes of the whole. */
export function subset(dataset: ImageDataset, indices: ArrayLike<number>): ImageDataset {
  return imageDataset({ ...dataset, ...imagesAt(dataset, indices) });
}

/**
 * The keys that belong to the test set when data come without a split of their own: those with the
 * smallest hashes, `fraction` of them, and at least one of two or more. It depends on nothing but
 * the keys themselves, so it is the same on every machine and in every order.
 */
export function heldOutKeys(keys: readonly string[], fraction = 0.1): Set<string> {
  if (keys.length < 2) return new Set();
  const held = Math.min(keys.length - 1, Math.max(1, Math.round(keys.length * fraction)));
  const hashed = keys.map((key) => ({ key, hash: hashString(key) }));
  hashed.sort((a, b) => a.hash - b.hash || (a.key < b.key ? -1 : 1));
  return new Set(hashed.slice(0, held).map(({ key }) => key));
}

/** FNV-1a over UTF-16 code units, then MurmurHash3's finaliser, since FNV's high bits mix poorly. */
function hashString(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
