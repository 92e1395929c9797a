/** Measured choices by shape class; a class is known on one adapter with one driver. */
export type TuningChoices = Readonly<Record<string, string>>;

/** Measures one shape class: the name of the fastest choice that gave right results. */
export type Trial = () => Promise<string>;

/**
 * Choices of kernel variants that were measured, for a device that was opened with autotuning. A class that is not
 * known yet is answered from the selection table; its trial runs at the device's next read-back or
 * synchronisation, after which the measured choice serves. A captured step keeps what it was recorded with.
 */
export class Autotuner {
  readonly #known: Map<string, string>;
  readonly #pending = new Map<string, Trial>();
  /** Classes whose trial failed: the table serves them, and another process may try again. */
  readonly #failed = new Set<string>();
  readonly #save: (choices: TuningChoices) => void;
  #running = false;

  /** @param save is told all choices after each round of trials */
  constructor(known: TuningChoices, save: (choices: TuningChoices) => void) {
    this.#known = new Map(Object.entries(known));
    this.#save = save;
  }

  /** The measured choice for a shape class; undefined if there is none yet, and then `trial` will be run. */
  find(shapeClass: string, trial: Trial): string | undefined {
    const choice = this.#known.get(shapeClass);
    // A trial runs the variants themselves, whose choice is given.
    const isWanted = choice === undefined && !this.#running && !this.#failed.has(shapeClass);
    if (isWanted) this.#pending.set(shapeClass, trial);
    return choice;
  }

  /** Runs the trials that wait; one that fails is reported on stderr. Call where all work before may be waited for. */
  async runTrials(): Promise<void> {
    if (this.#running || this.#pending.size === 0) return;
    this.#running = true;
    try {
      for (const [shapeClass, trial] of this.#pending) {
        try {
          this.#known.set(shapeClass, await trial());
        } catch (error) {
          this.#failed.add(shapeClass);
          warnOfTrial(`${shapeClass} keeps the variant of the table`, error);
        }
      }
      this.#save(Object.fromEntries(this.#known));
    } finally {
      this.#pending.clear();
      this.#running = false;
    }
  }
}

/** Says on a line what became of a trial that failed, which is no reason to stop the program. */
export function warnOfTrial(outcome: string, error: unknown): void {
  const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
  console.error(`autotune: ${outcome}: ${reason}`);
}
