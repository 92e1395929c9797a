import { words } from './participant.ts';

const spinsBeforeSleep = 3000;
const sleepMilliseconds = 20;

/** How the main thread waits for the workers: it spins, then sleeps, and notices when they make no progress. */
export class Waiter {
  /** A wait without any progress for this long has failed. */
  readonly stallMilliseconds: number;
  readonly #view: () => Int32Array;
  readonly #canSleep: boolean;
  #spins = 0;
  #stalled = 0;
  #lastCheck = 0;

  /** @param view the shared memory as words */
  constructor(view: () => Int32Array, stallMilliseconds: number) {
    this.#view = view;
    this.stallMilliseconds = stallMilliseconds;
    this.#canSleep = canSleep(view());
  }

  /** Begins to wait for something new. */
  start(): void {
    this.#spins = this.#stalled = 0;
  }

  /** Waits a while for `word` to change from `value`. @returns false when there was no progress for too long */
  wait(word: number, value: number): boolean {
    if (++this.#spins < spinsBeforeSleep) return true;
    this.#spins = 0;
    const view = this.#view();
    if (this.#canSleep) {
      Atomics.add(view, words.waiting, 1);
      Atomics.wait(view, word, value, sleepMilliseconds);
      Atomics.sub(view, words.waiting, 1);
    }
    const now = performance.now();
    // A long gap counts little: the whole machine may have been suspended.
    const elapsed = Math.min(now - this.#lastCheck, 2 * sleepMilliseconds);
    this.#lastCheck = now;
    this.#stalled = Atomics.load(view, word) === value ? this.#stalled + elapsed : 0;
    return this.#stalled < this.stallMilliseconds;
  }
}

/** A page's main thread may not sleep, and memory that is not shared has nobody to wait for. */
function canSleep(view: Int32Array): boolean {
  try {
    Atomics.wait(view, words.messageLength, 0, 0);
    return true;
  } catch {
    return false;
  }
}
