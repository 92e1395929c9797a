/** What a thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * An error as the user sees it: one line, or everything with `debug`.
 */
export function describeError(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return String(error);
  if (debug) return describeFully(error);
  const line = error.message.replace(/\s*\n\s*/g, ' ').trim();
  return line || `${error.name} without a message; run again with --debug`;
}

function describeFully(error: Error): string {
  const trace = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${trace}\ncaused by ${describeFully(error.cause)}` : trace;
}
