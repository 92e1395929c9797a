import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTar, unpackCached } from '../../packages/tensor/node/unpack.ts';

const BLOCK = 512;

/** One member of a tar archive: its header, and its content padded to whole blocks. */
function member(name: string, content: string, type = '0'): Buffer {
  const size = Buffer.byteLength(content);
  const bytes = Buffer.alloc(BLOCK + Math.ceil(size / BLOCK) * BLOCK);
  bytes.write(name, 0, 'latin1');
  bytes.write(size.toString(8).padStart(11, '0'), 124, 'latin1');
  bytes.write(type, 156, 'latin1');
  bytes.write(content, BLOCK, 'utf8');
  return bytes;
}

const long = 'x'.repeat(1300);
const archive = Buffer.concat([
  member('folder/', '', '5'),
  member('folder/first.txt', 'one'),
  member('empty.txt', ''),
  member('./long.txt', long),
  Buffer.alloc(2 * BLOCK),
]);

let root = '';
let archivePath = '';
let savedCache: string | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'farmer-unpack-'));
  archivePath = join(root, 'archive.tar.br');
  writeFileSync(archivePath, brotliCompressSync(archive));
  savedCache = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = join(root, 'cache');
});

afterEach(() => {
  if (savedCache === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = savedCache;
  rmSync(root, { recursive: true, force: true });
});

test('reads regular files of a tar archive by base name', () => {
  const files = readTar(archive);
  const text = [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
  expect(text).toEqual([
    ['first.txt', 'one'],
    ['empty.txt', ''],
    ['long.txt', long],
  ]);
});

test('unpacks once, and again for each way in which the cache can be damaged', () => {
  const names = ['first.txt', 'long.txt'];
  const folder = unpackCached(archivePath, 'key', names);
  const intact = () => expect(readFileSync(join(folder, 'long.txt'), 'utf8')).toBe(long);
  intact();
  for (const damaged of ['long.txt', 'manifest.json']) {
    writeFileSync(join(folder, damaged), 'truncat');
    expect(unpackCached(archivePath, 'key', names)).toBe(folder);
    intact();
    rmSync(join(folder, damaged));
    unpackCached(archivePath, 'key', names);
    intact();
  }
  // An unharmed cache is not read from the archive again.
  rmSync(archivePath);
  expect(unpackCached(archivePath, 'key', names)).toBe(folder);
});

test('a missing member is an error that names archive and member', () => {
  expect(() => unpackCached(archivePath, 'key', ['absent.so'])).toThrow(
    `${archivePath} holds no file 'absent.so'`,
  );
});

test('a cache path that is a file leads to a temporary folder', () => {
  mkdirSync(join(root, 'cache'));
  writeFileSync(join(root, 'cache', 'farmer'), 'in the way');
  const folder = unpackCached(archivePath, 'key', ['first.txt']);
  expect(folder.startsWith(join(tmpdir(), 'farmer-'))).toBe(true);
  expect(readFileSync(join(folder, 'first.txt'), 'utf8')).toBe('one');
});
