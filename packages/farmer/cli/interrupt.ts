import { constants } from 'node:os';

/** Launchers pass on a signal that the terminal has sent too; within this time it counts as one. */
const ECHO_MS = 1000;

/** Notes SIGINT and SIGTERM, so that a loop can end in order. A second one, later, ends the process at once. */
export class Interrupt {
  #signal: 'SIGINT' | 'SIGTERM' | undefined;
  #at = 0;
  readonly #handlers: readonly (readonly ['SIGINT' | 'SIGTERM', () => void])[];

  /** @param onFirst tells the user what happens now */
  constructor(onFirst: () => void) {
    const handle = (signal: 'SIGINT' | 'SIGTERM') => () => {
      if (this.#signal === undefined) {
        this.#signal = signal;
        this.#at = performance.now();
        onFirst();
      } else if (performance.now() - this.#at > ECHO_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    };
    this.#handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => [name, handle(name)] as const);
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }

  get requested(): boolean {
    return this.#signal !== undefined;
  }

  /** 128 + the signal's number, as shells expect; 0 without a signal. */
  get exitCode(): number {
    return this.#signal === undefined ? 0 : 128 + constants.signals[this.#signal];
  }

  /** Stops listening. */
  dispose(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}
