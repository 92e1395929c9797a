import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const BLOCK = 512;
const MANIFEST = 'manifest.json';

/** The regular files of an uncompressed tar archive, by base name. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number) =>
    Buffer.from(archive.subarray(from, from + length))
      .toString('latin1')
      .replace(/\0.*$/s, '');
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const name = text(at, 100);
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    if (type === '' || type === '0') {
      const base = name.slice(name.lastIndexOf('/') + 1);
      files.set(base, archive.subarray(at + BLOCK, at + BLOCK + size));
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Whether `directory` holds exactly what its manifest says, for every wanted name. */
function isIntact(directory: string, names: readonly string[]): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, MANIFEST), 'utf8'));
    if (typeof manifest !== 'object' || manifest === null) return false;
    const sums = new Map(Object.entries(manifest));
    return names.every((name) => sums.get(name) === sha256(readFileSync(join(directory, name))));
  } catch {
    return false;
  }
}

/**
 * Each file is written in a scratch folder and then renamed over its place, the manifest last.
 * Another process that reads the same folder meanwhile sees old or new files, never half of one,
 * and a library that it has loaded keeps its own inode.
 */
function writeFiles(directory: string, archivePath: string, names: readonly string[]): void {
  const files = readTar(brotliDecompressSync(readFileSync(archivePath)));
  const scratch = join(directory, `.unpacking-${randomUUID()}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  try {
    const sums: Record<string, string> = {};
    const publish = (name: string, bytes: Uint8Array) => {
      writeFileSync(join(scratch, name), bytes, { mode: 0o755 });
      renameSync(join(scratch, name), join(directory, name));
    };
    for (const name of names) {
      const bytes = files.get(name);
      if (bytes === undefined) throw new Error(`${archivePath} holds no file '${name}'`);
      sums[name] = sha256(bytes);
      publish(name, bytes);
    }
    publish(MANIFEST, Buffer.from(JSON.stringify(sums)));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The folder that this user's caches belong in: `$XDG_CACHE_HOME/farmer` or `~/.cache/farmer`. */
export function cacheRoot(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'farmer');
}

/**
 * Unpacks `names` out of a brotli-compressed tar archive into the cache folder `key`, unless they
 * lie there already, unharmed. Where the cache cannot be written, a private temporary folder
 * serves until this process ends.
 *
 * @returns the folder that holds the files.
 */
export function unpackCached(archivePath: string, key: string, names: readonly string[]): string {
  const directory = join(cacheRoot(), key);
  if (isIntact(directory, names)) return directory;
  try {
    writeFiles(directory, archivePath, names);
    return directory;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'].includes(String(code))) throw error;
    const temporary = mkdtempSync(join(tmpdir(), 'farmer-'));
    process.once('exit', () => rmSync(temporary, { recursive: true, force: true }));
    writeFiles(temporary, archivePath, names);
    return temporary;
  }
}
