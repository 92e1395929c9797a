const listeners = new Set<() => void>();

/**
 * A reader that has seen enough (`farmer data | head`), or a terminal that was closed, ends the program quietly, unless
 * somebody listens.
 */
export function endOnBrokenPipe(
  streams: readonly (NodeJS.EventEmitter & { readonly isTTY?: boolean })[] = [
    process.stdout,
    process.stderr,
  ],
): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const hasGone = error.code === 'EPIPE' || (error.code === 'EIO' && stream.isTTY);
      if (!hasGone) throw error;
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
