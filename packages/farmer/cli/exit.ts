import { constants } from 'node:os';

/** The exit code of a process that a signal ended, as shells have it. */
export const exitCodeOf = (signal: keyof typeof constants.signals) =>
  128 + constants.signals[signal];

/**
 * Ends the process with `process.exitCode` once all output is written. The GPU library's threads and a pool's workers
 * may hold the event loop open after their device is destroyed, so the end does not wait for it to run dry.
 */
export function exitAfterFlush(): void {
  // A write that failed is told of after this, and may have its own say on the exit code.
  process.stdout.write('', () => process.stderr.write('', () => setImmediate(() => exitAtOnce())));
}

/**
 * Ends the process, whatever is not written yet. Node gives a terminal its modes back as it exits, and crashes when the
 * terminal was closed; so then the signal itself ends the process.
 */
export function exitAtOnce(code = process.exitCode): never {
  if (code === exitCodeOf('SIGHUP')) {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  process.exit(code);
}
