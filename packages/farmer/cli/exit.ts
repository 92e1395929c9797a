/**
 * Ends the process with `process.exitCode` once all output is written. The GPU library's threads and a pool's workers
 * may hold the event loop open after their device is destroyed, so the end does not wait for it to run dry.
 */
export function exitAfterFlush(): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
}
