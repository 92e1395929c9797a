import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeWriteError } from './write-error.ts';

/**
 * Writes a file so that its path holds either the old content or all of the new, whatever happens
 * in between: the bytes go to a temporary file in the same folder, reach the disk, and then take
 * the name by a rename. Missing parent folders are made.
 *
 * @throws Error naming the path, in plain words for a full disk; the old file is then unchanged.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  await checkTarget(path);
  const temporary = temporaryName(path);
  try {
    await makeFolder(dirname(path));
    await writeAndSync(temporary, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // Best effort: the reason for the failure is what the caller must see.
    await rm(temporary, { force: true }).catch(() => {});
    const message = describeWriteError(path, Buffer.byteLength(content), error);
    throw new Error(message, { cause: error });
  }
}

/**
 * Makes sure, before long work, that its result can be written: makes missing parent folders, and leaves nothing else,
 * not even what an earlier process that was killed left of the same file.
 * @param endings of which the path must have one (default: any)
 * @throws Error as `writeFileAtomic` would
 */
export async function checkWritable(path: string, endings = ['']): Promise<void> {
  await checkTarget(path);
  if (!endings.some((ending) => path.toLowerCase().endsWith(ending))) {
    throw new Error(`cannot write ${path}: expected a name that ends with ${endings.join(' or ')}`);
  }
  const temporary = temporaryName(path);
  try {
    await makeFolder(dirname(path));
    await removeUnfinishedWrites(dirname(path), basename(path));
    // A full disk takes a file, but no byte of it.
    await writeAndSync(temporary, Uint8Array.of(0));
  } catch (error) {
    throw new Error(describeWriteError(path, 0, error), { cause: error });
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** The rename would put a file in the place of /dev/null, or of a pipe. */
async function checkTarget(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (path.endsWith('/') || found?.isDirectory())
    throw new Error(`cannot write ${path}: it is a folder`);
  if (found && !found.isFile()) {
    throw new Error(`cannot write ${path}: it is a device or a pipe, not a file`);
  }
}

/**
 * Removes what a process that was killed in the middle of `writeFileAtomic` left in a folder.
 * @param of the name of the only file of which to remove it
 */
export async function removeUnfinishedWrites(folder: string, of?: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.filter((name) => {
    const target = /^\.(.+)\.[0-9a-f-]{36}\.tmp$/.exec(name)?.[1];
    return target !== undefined && (of === undefined || target === of);
  });
  // Where they cannot be removed nothing can be written either, and that says why in plain words.
  const remove = (name: string) => rm(join(folder, name), { force: true }).catch(() => {});
  await Promise.all(unfinished.map(remove));
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

/** Like a recursive `mkdir`, which hides why it failed, and on some file systems tries for ever. */
export async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    });
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  });
}

async function writeAndSync(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename itself durable; Windows and some network file systems cannot sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
