import { exitAtOnce, exitCodeOf } from './exit.ts';

type OutputStream = NodeJS.EventEmitter & { readonly isTTY?: boolean };

const listeners = new Set<(exitCode: number) => void>();

/**
 * Ends the program when its output can no longer be written, unless somebody listens: as by SIGPIPE when the reader has
 * seen enough (`farmer data | head`), as by SIGHUP when the terminal was closed, else with the reason, such as a full
 * disk.
 * @param end takes the exit code
 */
export function endOnLostOutput(
  streams: readonly OutputStream[] = [process.stdout, process.stderr],
  end: (exitCode: number) => void = exitAtOnce,
): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const exitCode = exitCodeFor(error, stream);
      if (exitCode === 1) {
        process.stderr.write(`error: cannot write the output: ${error.message}\n`);
      }
      if (listeners.size === 0) end(exitCode);
      for (const listener of listeners) listener(exitCode);
    });
  }
}

function exitCodeFor({ code }: NodeJS.ErrnoException, { isTTY }: OutputStream): number {
  if (code === 'EPIPE') return exitCodeOf('SIGPIPE');
  return code === 'EIO' && isTTY ? exitCodeOf('SIGHUP') : 1;
}

/**
 * Goes on after the output was lost, and tells `listener` of each write that failed, with the exit code that it calls for.
 * @returns stops that
 */
export function onLostOutput(listener: (exitCode: number) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
