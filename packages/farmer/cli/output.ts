/** What a command prints: text for people, and with --json one object for programs. */
export interface Output {
  line(text?: string): void;
  /** A line that the next one replaces; on something other than a terminal, one line every few seconds. */
  status(text: string): void;
  /** The command's results. */
  result(value: Readonly<Record<string, unknown>>): void;
}

const PLAIN_INTERVAL_MS = 5000;

/** @param json people's text goes to stderr, so that stdout holds the results alone */
export function createOutput({ json = false }: { readonly json?: boolean | undefined }): Output {
  const stream = json ? process.stderr : process.stdout;
  let statusShown = false;
  let lastPlain = -Infinity;
  const clear = () => {
    if (statusShown) stream.write('\r\x1b[2K');
    statusShown = false;
  };
  return {
    line(text = '') {
      clear();
      stream.write(`${text}\n`);
    },
    status(text) {
      if (stream.isTTY) {
        clear();
        // A wrapped line could not be cleared.
        stream.write(text.slice(0, Math.max(20, stream.columns - 1)));
        statusShown = true;
      } else if (performance.now() - lastPlain >= PLAIN_INTERVAL_MS) {
        lastPlain = performance.now();
        stream.write(`${text}\n`);
      }
    },
    result(value) {
      clear();
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}
