import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageDataset, type ImageDataset } from '../../src/data/image-dataset.ts';
import { boxScale, toRgb } from '../../src/data/pixels.ts';
import { heldOutKeys } from '../../src/data/split.ts';
import { decodePng } from '../files/png.ts';
import { describeReadError } from '../files/read-error.ts';
import type { Split } from './idx-dataset.ts';
import { packageFolder } from './package-folder.ts';

const PACKAGE = 'emoji-datasource-twitter';
const REMEDY = `run \`npm install --no-save ${PACKAGE}@16.0.0\` (70 MB), or set TWEMOJI_DIR to the package's folder`;
const SIDE = 32;

/** The categories of the emoji standard, less "Component" (five skin-tone and hair swatches). */
const CLASS_NAMES = [
  'Smileys & Emotion',
  'People & Body',
  'Animals & Nature',
  'Food & Drink',
  'Travel & Places',
  'Activities',
  'Objects',
  'Symbols',
  'Flags',
];

type Emoji = { unified: string; image: string; category: string; sort_order: number };

/**
 * Twemoji (graphics CC BY 4.0): RGB emoji over white, box-scaled from 64 × 64 to 32 × 32, in nine
 * classes. Base emoji only (no skin tones); of exact duplicates the first stays. A tenth of each
 * class is the test set, chosen by a hash of the code points. About 1,900 images: enough for
 * pictures, too few for claims about likelihood.
 *
 * @param directory the folder of the npm package; by default the environment variable TWEMOJI_DIR,
 * else where npm installed it.
 */
export async function loadTwemoji(
  split: Split,
  directory: string | undefined = process.env['TWEMOJI_DIR'],
): Promise<ImageDataset> {
  const folder = directory ?? packageFolder(PACKAGE, REMEDY);
  const emojis = await drawAll(folder, await readIndex(folder));
  const parts = CLASS_NAMES.flatMap((category, label) => {
    const ofClass = emojis.filter((emoji) => emoji.category === category);
    const held = heldOutKeys(ofClass.map((emoji) => emoji.unified));
    return ofClass
      .filter((emoji) => held.has(emoji.unified) === (split === 'test'))
      .map(({ pixels }) => ({ pixels, label }));
  });
  return imageDataset({
    name: `twemoji ${split}`,
    images: Buffer.concat(parts.map(({ pixels }) => pixels)),
    labels: parts.map(({ label }) => label),
    height: SIDE,
    width: SIDE,
    channels: 3,
    classNames: CLASS_NAMES,
  });
}

async function readIndex(folder: string): Promise<Emoji[]> {
  const path = join(folder, 'emoji.json');
  try {
    const emojis = JSON.parse(await readFile(path, 'utf8')) as Emoji[];
    return emojis
      .filter((emoji) => CLASS_NAMES.includes(emoji.category))
      .sort((a, b) => a.sort_order - b.sort_order);
  } catch (error) {
    const reason = describeReadError(error);
    throw new Error(`cannot read ${path}: ${reason}; ${REMEDY}`, { cause: error });
  }
}

async function drawAll(
  folder: string,
  emojis: Emoji[],
): Promise<(Emoji & { pixels: Uint8Array })[]> {
  const seen = new Set<string>();
  const drawn: (Emoji & { pixels: Uint8Array })[] = [];
  for (const emoji of emojis) {
    const path = join(folder, 'img', 'twitter', '64', emoji.image);
    const bytes = await readFile(path).catch((error: unknown) => {
      throw new Error(`cannot read ${path}: ${describeReadError(error)}; ${REMEDY}`, {
        cause: error,
      });
    });
    const pixels = boxScale(toRgb(decodePng(bytes, path)), SIDE, SIDE).data;
    const content = Buffer.from(pixels).toString('latin1');
    if (seen.has(content)) continue;
    seen.add(content);
    drawn.push({ ...emoji, pixels });
  }
  return drawn;
}
