import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFashionMnist } from '../../packages/farmer/cli/data/fashion-mnist.ts';
import { loadDataset } from '../../packages/farmer/cli/data/load-dataset.ts';
import { loadMnist } from '../../packages/farmer/cli/data/mnist.ts';
import { packageFolder } from '../../packages/farmer/cli/data/package-folder.ts';
import { loadTwemoji } from '../../packages/farmer/cli/data/twemoji.ts';
import { encodeImageGrid } from '../../packages/farmer/cli/files/image-grid.ts';
import { nearestMatch } from '../../packages/farmer/src/nearest-match.ts';
import { idxFile } from './support/idx-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'datasets-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
}

/** A PNG of one value, or of one colour. */
function flat(height: number, width: number, ...colour: number[]): Uint8Array {
  const images = Uint8Array.from(
    { length: height * width * colour.length },
    (_, i) => colour[i % colour.length]!,
  );
  return encodeImageGrid({ images, height, width, channels: colour.length });
}

describe('IDX folders', () => {
  it('load unpacked (MNIST) and gzipped (Fashion-MNIST)', async () => {
    const images = idxFile([2, 1, 3], [1, 2, 3, 4, 5, 6]);
    const labels = idxFile([2], [9, 0]);
    await put('t10k-images-idx3-ubyte', images);
    await put('t10k-labels-idx1-ubyte', labels);
    await put('t10k-images-idx3-ubyte.gz', gzipSync(images));
    await put('t10k-labels-idx1-ubyte.gz', gzipSync(labels));
    const shape = { count: 2, height: 1, width: 3, channels: 1, classes: 10 };
    for (const load of [loadMnist, loadFashionMnist]) {
      const dataset = await load('test', folder);
      expect(dataset).toMatchObject(shape);
      expect([...dataset.images]).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...dataset.labels]).toEqual([9, 0]);
    }
  });

  it('say what is missing, damaged or inconsistent, and how to get it', async () => {
    await expect(loadFashionMnist('train', folder)).rejects.toThrow(
      /train-images-idx3-ubyte\.gz: there is no such file; .*`sudo apt-get install dataset-fashion-mnist`/,
    );
    await put('train-images-idx3-ubyte.gz', 'no gzip');
    await expect(loadFashionMnist('train', folder)).rejects.toThrow(/ubyte\.gz: damaged gzip file/);
    await put('train-images-idx3-ubyte', idxFile([2, 1, 1], [1, 2]));
    await put('train-labels-idx1-ubyte', idxFile([3], [1, 2, 3]));
    await expect(loadMnist('train', folder)).rejects.toThrow(/"mnist train": 3 labels/);
  });
});

describe('a folder of PNGs', () => {
  it('has a class for each sub-folder and a deterministic tenth of each for test', async () => {
    for (let i = 0; i < 20; i++) await put(`cats/${i}.png`, flat(2, 3, i));
    for (let i = 0; i < 5; i++) await put(`dogs/${i}.png`, flat(2, 3, 100 + i));
    await put('.hidden/x.png', 'ignored');
    await put('cats/notes.txt', 'ignored');
    const [train, test] = [await loadDataset(folder, 'train'), await loadDataset(folder, 'test')];
    expect(train).toMatchObject({ height: 2, width: 3, channels: 1, classNames: ['cats', 'dogs'] });
    expect([train.count, test.count]).toEqual([22, 3]);
    const first = (dataset: typeof train) =>
      Array.from({ length: dataset.count }, (_, i) => dataset.images[6 * i]!);
    const all = [...first(train), ...first(test)].sort((a, b) => a - b);
    const dogs = [100, 101, 102, 103, 104];
    expect(all).toEqual([...Array.from({ length: 20 }, (_, i) => i), ...dogs]);
    first(train).forEach((value, i) => expect(train.labels[i]).toBe(value >= 100 ? 1 : 0));
    expect(await loadDataset(folder, 'test')).toEqual(test);
  });

  it('takes its split from train/ and test/, and turns RGB when one image is', async () => {
    await put('train/a/1.png', flat(1, 1, 7));
    await put('train/b/1.png', flat(1, 1, 1, 2, 3));
    await put('test/b/2.png', flat(1, 1, 9));
    const train = await loadDataset(folder, 'train');
    expect(train).toMatchObject({ count: 2, channels: 3, classNames: ['a', 'b'] });
    expect([...train.images]).toEqual([7, 7, 7, 1, 2, 3]);
    const test = await loadDataset(folder, 'test');
    expect([...test.images, ...test.labels]).toEqual([9, 9, 9, 1]);
    await put('test/c/1.png', flat(1, 1, 9));
    await expect(loadDataset(folder, 'test')).rejects.toThrow(/c is a class that .*train lacks/);
  });

  it('is grey if every pixel is, however it is stored, unless RGB is wanted', async () => {
    await put('train/a/1.png', flat(1, 1, 7));
    await put('train/a/2.png', flat(1, 1, 8, 8, 8));
    await put('test/a/3.png', flat(1, 1, 9, 9, 9));
    const train = await loadDataset(folder, 'train');
    expect(train).toMatchObject({ count: 2, channels: 1 });
    expect([...train.images]).toEqual([7, 8]);
    const size = { height: 1, width: 1, channels: 3 };
    const rgb = await loadDataset(folder, 'train', { size });
    expect(rgb).toMatchObject(size);
    expect([...rgb.images]).toEqual([7, 7, 7, 8, 8, 8]);
    // One coloured image of the other split makes all RGB, also where a model wants grey.
    await put('test/a/3.png', flat(1, 1, 9, 9, 8));
    const coloured = { size: { ...size, channels: 1 } };
    expect(await loadDataset(folder, 'train', coloured)).toMatchObject({ channels: 3 });
  });

  it('wants one size, or scales to the one given', async () => {
    await put('a/1.png', flat(2, 4, 10));
    await put('a/2.png', flat(6, 6, 20));
    await expect(loadDataset(folder, 'train')).rejects.toThrow(
      /[12]\.png is \d × \d, but .*[12]\.png is \d × \d .*--image-size/,
    );
    const size = { height: 2, width: 3 };
    const train = await loadDataset(folder, 'train', { size });
    const test = await loadDataset(folder, 'test', { size });
    expect(train).toMatchObject({ count: 1, ...size });
    expect([...train.images, ...test.images].sort()).toEqual([
      ...new Array<number>(6).fill(10),
      ...new Array<number>(6).fill(20),
    ]);
  });

  it('names what it cannot use', async () => {
    await expect(loadDataset(join(folder, 'absent'), 'train')).rejects.toThrow(
      /there is no .*absent/,
    );
    await expect(loadDataset(folder, 'train')).rejects.toThrow(/has no sub-folders/);
    await put('a/1.jpg', 'x');
    await expect(loadDataset(folder, 'train')).rejects.toThrow(/1\.jpg is not a PNG/);
    await rm(join(folder, 'a/1.jpg'));
    await expect(loadDataset(folder, 'train')).rejects.toThrow(/a holds no PNG files/);
    await put('a/1.png', flat(1, 1, 0));
    await expect(loadDataset(folder, 'test')).rejects.toThrow(
      /has no images to test: a class needs 2/,
    );
    await put('a/2.png/x', '');
    await expect(loadDataset(folder, 'train')).rejects.toThrow(
      /cannot read the image .*2\.png: it is a folder/,
    );
    await rm(join(folder, 'a/2.png'), { recursive: true });
    await expect(loadDataset(join(folder, 'a/1.png'), 'train')).rejects.toThrow(
      /cannot read the image folder .*1\.png: it is a file/,
    );
    await put('a/1.png', 'x');
    await expect(loadDataset(folder, 'train')).rejects.toThrow(/1\.png: not a PNG file/);
  });
});

describe('Twemoji', () => {
  const emoji = (unified: string, category: string, sort_order: number) => ({
    unified,
    category,
    sort_order,
    image: `${unified}.png`,
  });

  it('scales to 32 × 32 RGB, drops duplicates and swatches, and splits each class', async () => {
    const flags = Array.from({ length: 20 }, (_, i) => emoji(`F${i}`, 'Flags', i));
    const faces = [emoji('A', 'Smileys & Emotion', 50), emoji('COPY', 'Smileys & Emotion', 51)];
    await put('emoji.json', JSON.stringify([...faces, emoji('S', 'Component', 1), ...flags]));
    for (const [i, { image }] of flags.entries()) {
      await put(`img/twitter/64/${image}`, flat(64, 64, i, 0, 0));
    }
    await put('img/twitter/64/A.png', flat(64, 64, 200));
    await put('img/twitter/64/COPY.png', flat(64, 64, 5, 0, 0)); // sorts after flag 5, its equal
    const train = await loadTwemoji('train', folder);
    const test = await loadTwemoji('test', folder);
    expect(train).toMatchObject({ height: 32, width: 32, channels: 3, classes: 9 });
    const summary = (dataset: typeof train) =>
      Array.from(dataset.labels, (label, i) => `${label}:${dataset.images[3072 * i]}`);
    expect([train.count, test.count]).toEqual([19, 2]);
    expect(summary(train)).toContain('0:200');
    expect(new Set([...summary(train), ...summary(test)])).toEqual(
      new Set(['0:200', ...flags.map((_, i) => `8:${i}`)]),
    );
  });

  it('that is not there gives the command to install it', async () => {
    await expect(loadTwemoji('train', folder)).rejects.toThrow(
      /emoji\.json: .*npm install --no-save emoji-datasource-twitter@16\.0\.0/,
    );
    expect(() => packageFolder('no-such-package', 'do this')).toThrow(
      'the npm package no-such-package is not installed; do this',
    );
  });
});

describe('names', () => {
  it('that are unknown get the nearest, and the list', async () => {
    await expect(loadDataset('fashion_mnist', 'test')).rejects.toThrow(
      /^unknown dataset "fashion_mnist" \(did you mean "fashion-mnist"\?\): known are mnist, /,
    );
    await expect(loadDataset('toString', 'test')).rejects.toThrow(
      /^unknown dataset "toString": .* \(there is no \/.*\/toString\)$/,
    );
  });

  it('match when near, ignoring case', () => {
    const names = ['learningRate', 'batchSize', 'seed'];
    expect(nearestMatch('learning_rate', names)).toBe('learningRate');
    expect(nearestMatch('BATCHSIZE', names)).toBe('batchSize');
    expect(nearestMatch('sed', names)).toBe('seed');
    expect(nearestMatch('optimizer', names)).toBeUndefined();
    expect(nearestMatch('x', [])).toBeUndefined();
  });
});
