import { closeSync } from 'node:fs';

/**
 * Ends the process with `process.exitCode` once all output is written. The GPU library's threads and a pool's workers
 * may hold the event loop open after their device is destroyed, so the end does not wait for it to run dry.
 */
export function exitAfterFlush(): void {
  // A write that failed is told of after this, and may have its own say on the exit code.
  process.stdout.write('', () => process.stderr.write('', () => setImmediate(() => exitAtOnce())));
}

/**
 * Ends the process, whatever is not written yet. Node gives a terminal its modes back as it ends, and crashes when the
 * terminal was closed; nothing here changes them, so the terminal is let go of first.
 */
export function exitAtOnce(code = process.exitCode): never {
  for (const stream of [0, 1, 2]) closeSync(stream);
  process.exit(code);
}
