/** When a run saves: at every multiple of `steps`, and when `seconds` have passed since the last save. */
export class SaveSchedule {
  readonly #steps: number;
  readonly #milliseconds: number;
  #last = performance.now();

  constructor({ steps, seconds }: { readonly steps: number; readonly seconds: number }) {
    this.#steps = steps;
    this.#milliseconds = 1000 * seconds;
  }

  isDue(step: number): boolean {
    return step % this.#steps === 0 || performance.now() - this.#last >= this.#milliseconds;
  }

  saved(): void {
    this.#last = performance.now();
  }
}
