import { CommandList, type Command } from './command-list.ts';
import type { ThreadPool } from './pool.ts';

/** A command for the threads, or an op's TypeScript reference, which runs between them. */
export type Step = Command | (() => void);

/** A capture's steps, run any number of times: consecutive commands as one list each, with the references between them. */
export class StepList {
  readonly #parts: (CommandList | (() => void))[] = [];

  constructor(pool: ThreadPool, steps: readonly Step[]) {
    let commands: Command[] = [];
    const close = (): void => {
      if (commands.length > 0) this.#parts.push(new CommandList(pool, commands));
      commands = [];
    };
    for (const step of steps) {
      if (typeof step !== 'function') commands.push(step);
      else {
        close();
        this.#parts.push(step);
      }
    }
    close();
  }

  run(): void {
    for (const part of this.#parts) {
      if (part instanceof CommandList) part.run();
      else part();
    }
  }

  /** Frees the lists' memory. */
  dispose(): void {
    for (const part of this.#parts.splice(0)) {
      if (part instanceof CommandList) part[Symbol.dispose]();
    }
  }
}
