import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { makeFolder, removeUnfinishedWrites } from './files/atomic-write.ts';
import { describeWriteError } from './files/write-error.ts';

/**
 * Runs `body` while no other process may do so for the same folder, which is made if need be. The lock is the name of an
 * abstract socket (Linux alone has them), which the kernel frees however a process ends: a killed run leaves nothing
 * behind that its successor would have to judge, and files that it left half-written are cleared away first. Processes
 * of other machines are not seen.
 * @throws Error when another process has the folder, or it cannot be made
 */
export async function withFolderLock<Result>(
  path: string,
  body: () => Promise<Result>,
): Promise<Result> {
  await makeFolder(path).catch((error: unknown) => {
    throw new Error(describeWriteError(path, 0, error), { cause: error });
  });
  const lock = process.platform === 'linux' ? await listen(await lockName(path), path) : undefined;
  try {
    await removeUnfinishedWrites(path);
    return await body();
  } finally {
    lock?.close();
  }
}

async function lockName(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `\0farmer-${dev}-${ino}`;
}

function listen(name: string, path: string): Promise<Server> {
  const server = createServer().unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      const message = isTaken
        ? `another process is working in ${path}: wait for it, stop it, or choose another folder`
        : `cannot lock ${path}: ${error.message}`;
      reject(new Error(message, { cause: error }));
    });
    server.listen(name, () => resolve(server));
  });
}
