import { constants } from 'node:os';
import { exitAtOnce } from './exit.ts';

const listeners = new Set<() => void>();

/**
 * Ends the program when its output can no longer be written, unless somebody listens: as by SIGPIPE when the reader has
 * seen enough (`farmer data | head`) or the terminal was closed, else with the reason, such as a full disk.
 * @param end takes the exit code
 */
export function endOnLostOutput(
  streams: readonly (NodeJS.EventEmitter & { readonly isTTY?: boolean })[] = [
    process.stdout,
    process.stderr,
  ],
  end: (code: number) => void = exitAtOnce,
): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const hasGone = error.code === 'EPIPE' || (error.code === 'EIO' && stream.isTTY);
      if (!hasGone) process.stderr.write(`error: cannot write the output: ${error.message}\n`);
      if (listeners.size === 0) end(hasGone ? 128 + constants.signals.SIGPIPE : 1);
      for (const listener of listeners) listener();
    });
  }
}

/**
 * Goes on after the output was lost, and tells `listener` of each write that failed.
 * @returns stops that
 */
export function onLostOutput(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
