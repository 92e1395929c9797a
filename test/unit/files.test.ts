import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  checkWritable,
  removeUnfinishedWrites,
  writeFileAtomic,
} from '../../packages/farmer/cli/files/atomic-write.ts';
import { withFolderLock } from '../../packages/farmer/cli/folder-lock.ts';
import { encodeImageGrid } from '../../packages/farmer/cli/files/image-grid.ts';
import { decodePng } from '../../packages/farmer/cli/files/png.ts';

/** When set, a file's write stores half its bytes and then fails as a full disk does. */
const disk = vi.hoisted(() => ({ full: false }));

vi.mock('node:fs/promises', async (importActual) => {
  const actual = await importActual<typeof import('node:fs/promises')>();
  return {
    ...actual,
    open: async (...parameters: Parameters<typeof actual.open>) => {
      const file = await actual.open(...parameters);
      if (!disk.full) return file;
      const write = file.writeFile.bind(file);
      file.writeFile = async (content) => {
        const bytes = content as Uint8Array;
        await write(bytes.subarray(0, bytes.length / 2));
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), {
          code: 'ENOSPC',
        });
      };
      return file;
    },
  };
});

describe('writeFileAtomic', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'atomic-write-'));
  });
  afterEach(async () => {
    disk.full = false;
    await rm(folder, { recursive: true });
  });

  it('writes and replaces, makes folders, and leaves nothing else behind', async () => {
    const path = join(folder, 'a', 'b', 'file.bin');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(join(folder, 'a', 'b'))).toEqual(['file.bin']);
  });

  it('has its unfinished files cleared away, and nothing else', async () => {
    const names = ['a.bin', '.a.bin.tmp', '.hidden', `.a.bin.${randomUUID()}.tmp`];
    for (const name of names) await writeFile(join(folder, name), 'x');
    await removeUnfinishedWrites(folder);
    expect((await readdir(folder)).sort()).toEqual(['.a.bin.tmp', '.hidden', 'a.bin']);
    await removeUnfinishedWrites(join(folder, 'none'));
  });

  it('has them cleared away by the next that locks the folder', async () => {
    await writeFile(join(folder, `.a.bin.${randomUUID()}.tmp`), 'x');
    expect(await withFolderLock(folder, () => readdir(folder))).toEqual([]);
  });

  it('on a full disk says so, keeps the old file and removes the half-written one', async () => {
    const path = join(folder, 'model.safetensors');
    await writeFileAtomic(path, 'old');
    disk.full = true;
    await expect(writeFileAtomic(path, new Uint8Array(2 ** 20))).rejects.toThrow(
      `cannot write ${path}: no space is left for its 1.0 MiB`,
    );
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['model.safetensors']);
  });

  it('finds a full disk before long work', async () => {
    disk.full = true;
    const path = join(folder, 'file');
    const message = `cannot write ${path}: no space is left`;
    await expect(checkWritable(path)).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
  });

  it('can be tried before long work: that leaves the folders alone', async () => {
    await checkWritable(join(folder, 'a', 'file'));
    expect(await readdir(folder, { recursive: true })).toEqual(['a']);
    await writeFile(join(folder, 'file'), 'old');
    await checkWritable(join(folder, 'file'));
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('old');
    const below = join(folder, 'file', 'x');
    for (const path of [folder, below]) {
      await expect(checkWritable(path)).rejects.toThrow(`cannot write ${path}: `);
    }
  });

  it('clears away, before long work, what a killed process left of the same file', async () => {
    const [own, other] = ['a', 'a.bin'].map((name) => `.${name}.${randomUUID()}.tmp`);
    for (const name of [own!, other!]) await writeFile(join(folder, name), 'x');
    await checkWritable(join(folder, 'a'));
    expect(await readdir(folder)).toEqual([other]);
  });

  it('names the path when it is a folder, or lies below a file', async () => {
    await expect(writeFileAtomic('.', 'x')).rejects.toThrow('cannot write .: it is a folder');
    await expect(writeFileAtomic(folder, 'x')).rejects.toThrow(
      `cannot write ${folder}: it is a folder`,
    );
    await writeFile(join(folder, 'file'), '');
    const below = join(folder, 'file', 'x');
    await expect(writeFileAtomic(below, 'x')).rejects.toThrow(
      `cannot write ${below}: a part of its path is a file`,
    );
  });

  it('does not put a file in the place of a device', async () => {
    for (const write of [writeFileAtomic('/dev/null', 'x'), checkWritable('/dev/null')]) {
      await expect(write).rejects.toThrow('cannot write /dev/null: it is a device or a pipe');
    }
  });

  it('lets one of many writers at once win, whole', async () => {
    const path = join(folder, 'shared');
    const contents = Array.from({ length: 8 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['shared']);
  });
});

describe('PNG', () => {
  it('round trips grey and RGB bytes of one image', () => {
    const shapes = fc.record({
      height: fc.integer({ min: 1, max: 6 }),
      width: fc.integer({ min: 1, max: 6 }),
      channels: fc.constantFrom(1, 3),
    });
    const withBytes = shapes.chain((shape) => {
      const length = shape.height * shape.width * shape.channels;
      return fc.record({
        shape: fc.constant(shape),
        images: fc.uint8Array({ minLength: length, maxLength: length }),
      });
    });
    fc.assert(
      fc.property(withBytes, ({ shape, images }) => {
        const decoded = decodePng(encodeImageGrid({ images, ...shape }), 'x');
        expect({ ...decoded, data: [...decoded.data] }).toEqual({ ...shape, data: [...images] });
      }),
    );
  });

  it('lays images out in rows, scaled, with gaps and an empty last cell', () => {
    const images = Uint8Array.of(10, 20, 30);
    const file = encodeImageGrid(
      { images, height: 1, width: 1, channels: 1 },
      { columns: 2, scale: 2, gap: 1 },
    );
    const { data, width, height } = decodePng(file, 'x');
    expect([height, width]).toEqual([5, 5]);
    const rows = Array.from({ length: 5 }, (_, y) => [...data.subarray(5 * y, 5 * y + 5)]);
    const [upper, gap, lower] = [
      [10, 10, 128, 20, 20],
      [128, 128, 128, 128, 128],
      [30, 30, 128, 128, 128],
    ];
    expect(rows).toEqual([upper, upper, gap, lower, lower]);
  });

  it('composites transparency over white', () => {
    const png = new PNG({ width: 3, height: 1 });
    png.data.set([255, 0, 0, 255, 0, 0, 0, 0, 0, 100, 200, 51]);
    const { data, channels } = decodePng(PNG.sync.write(png), 'x');
    expect(channels).toBe(3);
    expect([...data]).toEqual([255, 0, 0, 255, 255, 255, 204, 224, 244]);
  });

  it('of any damage throws nothing but an error that names the file', () => {
    const images = Uint8Array.from({ length: 192 }, (_, i) => (37 * i) % 256);
    const file = encodeImageGrid({ images, height: 8, width: 8, channels: 3 });
    const edits = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(edits, fc.integer({ min: 0, max: file.length }), (changes, end) => {
        const damaged = Uint8Array.from(file.subarray(0, end));
        for (const [at, value] of changes) if (at < end) damaged[at] = value;
        try {
          decodePng(damaged, 'a.png');
        } catch (error) {
          expect(String(error)).toMatch(/^Error: a\.png: /);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('reads what others write: interlaced, palettes, few and many bits', () => {
    // The rows of Adam7's passes over 5 × 3 pixels, of which the third has none.
    const passes = [[10], [20], [30], [40, 50, 60], [70, 80], [90, 100], [1, 2, 3, 4, 5]];
    const interlaced = pngOf({ width: 5, height: 3, interlace: 1 }, passes);
    expect([...decodePng(interlaced, 'x').data]).toEqual([
      ...[10, 70, 30, 80, 20],
      ...[1, 2, 3, 4, 5],
      ...[40, 90, 50, 100, 60],
    ]);
    const deep = pngOf({ width: 2, height: 1, depth: 16 }, [[0x80, 0, 0xff, 0xff]]);
    expect([...decodePng(deep, 'x').data]).toEqual([128, 255]);
    const bits = pngOf({ width: 3, height: 2, depth: 1 }, [[0b10100000], [0b01000000]]);
    expect([...decodePng(bits, 'x').data]).toEqual([255, 0, 255, 0, 255, 0]);
    const palette = chunk('PLTE', Uint8Array.of(1, 2, 3, 4, 5, 6));
    const indexed = pngOf({ width: 2, height: 1, colour: 3 }, [[1, 0]], [palette]);
    expect([...decodePng(indexed, 'x').data]).toEqual([4, 5, 6, 1, 2, 3]);
  });

  it('refuses pixel data that ends early in whole chunks, naming the file', () => {
    const row = [1, 2, 3, 4];
    const size = { width: 4, height: 3 };
    expect([...decodePng(pngOf(size, [row, row, row]), 'x').data]).toEqual([
      ...row,
      ...row,
      ...row,
    ]);
    expect(() => decodePng(pngOf(size, [row, row]), 'a.png')).toThrow(
      'a.png: damaged PNG (its pixel data is 10 bytes instead of 15)',
    );
    expect(() => decodePng(pngOf(size, [row, row, [1, 2]]), 'a.png')).toThrow(
      /^a\.png: damaged PNG/,
    );
    expect(() => decodePng(pngOf(size, []), 'a.png')).toThrow(/^a\.png: damaged PNG/);
    expect(() => decodePng(pngOf({ ...size, interlace: 1 }, [[1], [2]]), 'a.png')).toThrow(
      /^a\.png: damaged PNG \(its pixel data is/,
    );
  });

  it('refuses other files, damage and absurd sizes, naming the file', () => {
    const image = { images: new Uint8Array(4), height: 2, width: 2, channels: 1 };
    const file = encodeImageGrid(image);
    expect(() => decodePng(Uint8Array.of(1, 2), 'a.png')).toThrow('a.png: not a PNG file');
    expect(() => decodePng(file.subarray(0, 40), 'a.png')).toThrow(/^a\.png: damaged PNG/);
    const huge = Uint8Array.from(file);
    new DataView(huge.buffer).setUint32(16, 2 ** 31);
    expect(() => decodePng(huge, 'a.png')).toThrow(/^a\.png: the PNG claims 2147483648 × 2 pixels/);
    expect(() => encodeImageGrid({ ...image, width: 3 })).toThrow(
      /4 values are not a whole number/,
    );
    expect(() => encodeImageGrid(image, { scale: 0.5 })).toThrow(/scale 0.5/);
  });
});

interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth?: number;
  readonly colour?: number;
  readonly interlace?: number;
}

/** A PNG of rows of bytes as given, without filters. */
function pngOf(
  { width, height, depth = 8, colour = 0, interlace = 0 }: PngHeader,
  rows: readonly (readonly number[])[],
  others: readonly Uint8Array[] = [],
): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlace], 8);
  const data = deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    ...[chunk('IHDR', header), ...others, chunk('IDAT', data), chunk('IEND', new Uint8Array())],
  ]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(checksum(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** CRC-32, as PNG's chunks have it. */
function checksum(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
