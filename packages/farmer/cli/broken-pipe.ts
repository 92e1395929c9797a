const listeners = new Set<() => void>();

/** A reader that has seen enough (`farmer data | head`) ends the program quietly, unless somebody listens. */
export function endOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (listeners.size === 0) process.exit();
      for (const listener of listeners) listener();
    });
  }
}

/**
 * Goes on after the reader of the output has gone, and tells `listener` of each write that failed.
 * @returns stops that
 */
export function onBrokenPipe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
