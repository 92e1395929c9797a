import { constants } from 'node:os';
import { exitAtOnce } from './exit.ts';
import { onLostOutput } from './lost-output.ts';

/** Launchers pass on a signal that the terminal has sent too; within this time it counts as one. */
const ECHO_MS = 1000;

/** Ctrl-C, a job scheduler or `kill`, and a terminal that was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * Makes a program that `nohup` started outlive its terminal: Node undoes at its start that SIGHUP is ignored. What tells
 * is that no stream of it is a terminal's.
 */
export function outliveTerminal(): void {
  if (!hasTerminal()) process.on('SIGHUP', () => {});
}

function hasTerminal(): boolean {
  return [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
}

/**
 * Notes a signal, or that the output was lost, so that a loop can end in order. A second signal, later, ends the process
 * at once.
 */
export class Interrupt {
  #signal: Signal | 'SIGPIPE' | undefined;
  #at = 0;
  readonly #handlers: readonly (readonly [Signal, () => void])[];
  readonly #forgetOutput: () => void;

  /** @param onFirst tells the user what happens now */
  constructor(onFirst: () => void) {
    const note = (signal: Signal | 'SIGPIPE') => {
      this.#signal = signal;
      this.#at = performance.now();
      onFirst();
    };
    const handle = (signal: Signal) => () => {
      if (this.#signal === undefined) note(signal);
      else if (performance.now() - this.#at > ECHO_MS) {
        exitAtOnce(128 + constants.signals[signal]);
      }
    };
    const heard = SIGNALS.filter((name) => name !== 'SIGHUP' || hasTerminal());
    this.#handlers = heard.map((name) => [name, handle(name)] as const);
    for (const [name, handler] of this.#handlers) process.on(name, handler);
    // Ctrl-C ends the reader of `farmer train | tee log` too; what is still to be saved must not suffer from that.
    this.#forgetOutput = onLostOutput(() => {
      if (this.#signal === undefined) note('SIGPIPE');
    });
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
    this.#forgetOutput();
  }
}
