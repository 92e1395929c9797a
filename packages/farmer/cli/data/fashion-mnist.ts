import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { loadIdxDataset, type Split } from './idx-dataset.ts';

const DEBIAN_FOLDER = '/usr/share/datasets/fashion-mnist';

const CLASS_NAMES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf; MIT): 28 × 28 grey articles of clothing, 60,000 + 10,000.
 *
 * @param directory a folder with the four gzipped IDX files; by default the environment variable
 * FASHION_MNIST_DIR, else where Debian's package puts them.
 */
export function loadFashionMnist(
  split: Split,
  directory: string = process.env['FASHION_MNIST_DIR'] ?? DEBIAN_FOLDER,
): Promise<ImageDataset> {
  const remedy =
    'on Debian and Ubuntu run `sudo apt-get install dataset-fashion-mnist`, elsewhere set FASHION_MNIST_DIR to a folder with the four .gz files';
  return loadIdxDataset(`fashion-mnist ${split}`, directory, split, CLASS_NAMES, '.gz', remedy);
}
