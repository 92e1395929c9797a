import { exitAtOnce, exitCodeOf } from './exit.ts';
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
  #exitCode = 0;
  #at = 0;
  readonly #handlers: readonly (readonly [Signal, () => void])[];
  readonly #forgetOutput: () => void;

  /** @param onFirst tells the user what happens now */
  constructor(onFirst: () => void) {
    const note = (exitCode: number) => {
      this.#exitCode = exitCode;
      this.#at = performance.now();
      onFirst();
    };
    const handle = (signal: Signal) => () => {
      if (!this.requested) note(exitCodeOf(signal));
      else if (performance.now() - this.#at > ECHO_MS) exitAtOnce(exitCodeOf(signal));
    };
    const heard = SIGNALS.filter((name) => name !== 'SIGHUP' || hasTerminal());
    this.#handlers = heard.map((name) => [name, handle(name)] as const);
    for (const [name, handler] of this.#handlers) process.on(name, handler);
    // Ctrl-C ends the reader of `farmer train | tee log` too; what is still to be saved must not suffer from that.
    this.#forgetOutput = onLostOutput((exitCode) => {
      if (!this.requested) note(exitCode);
    });
  }

  get requested(): boolean {
    return this.#exitCode !== 0;
  }

  /** 128 + the signal's number, as shells expect, or 1 for output that cannot be written; 0 when nothing was noted. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Stops listening. */
  dispose(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
    this.#forgetOutput();
  }
}
