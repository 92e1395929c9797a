import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file so that its path holds either the old content or all of the new, whatever happens
 * in between: the bytes go to a temporary file in the same folder, reach the disk, and then take
 * the name by a rename. Missing parent folders are made.
 *
 * @throws Error naming the path, in plain words for a full disk; the old file is then unchanged.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    await writeAndSync(temporary, content);
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    // Best effort: the reason for the failure is what the caller must see.
    await rm(temporary, { force: true }).catch(() => {});
    throw new Error(explain(path, content, error), { cause: error });
  }
}

/** Removes what a process that was killed in the middle of `writeFileAtomic` left in a folder. */
export async function removeUnfinishedWrites(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.filter((name) => /^\..+\.[0-9a-f-]{36}\.tmp$/.test(name));
  await Promise.all(unfinished.map((name) => rm(join(folder, name), { force: true })));
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

function explain(path: string, content: Uint8Array | string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const megabytes = (Buffer.byteLength(content) / 2 ** 20).toFixed(1);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `cannot write ${path}: no space is left for its ${megabytes} MiB; any old file is unchanged, free some space and try again`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `cannot write ${path}: no permission to write in ${dirname(path)}`;
    case 'EISDIR':
      return `cannot write ${path}: it is a folder`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `cannot write ${path}: a part of its path is a file, not a folder`;
    default:
      return `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
