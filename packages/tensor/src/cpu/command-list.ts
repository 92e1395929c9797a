import { withMemoryTag } from '../memory-ledger.ts';
import { record, recordWords } from './participant.ts';
import type { ThreadPool } from './pool.ts';

/** One kernel's run: `taskCount` tasks, in any order, on parameters of 32 bits each. */
export interface Command {
  /** As `ThreadPool.kernel` gave it. */
  readonly kernel: number;
  readonly words: readonly number[];
  readonly taskCount: number;
}

/** Commands written into shared memory once, and run any number of times. */
export class CommandList {
  readonly length: number;
  readonly #pool: ThreadPool;
  readonly #pointer: number;
  readonly #isParallel: boolean;
  readonly #isOwner: boolean;

  /** @param pointer memory of `CommandList.byteLength(commands)` to use; its own by default */
  constructor(pool: ThreadPool, commands: readonly Command[], pointer?: number) {
    this.#pool = pool;
    this.length = commands.length;
    this.#isParallel = commands.some(({ taskCount }) => taskCount > 1);
    this.#isOwner = pointer === undefined;
    pool.settle();
    this.#pointer = pointer ?? allocateFor(pool, commands);
    const memory = pool.words();
    let parameters = this.#pointer / 4 + recordWords * commands.length;
    commands.forEach(({ kernel, words, taskCount }, i) => {
      const base = this.#pointer / 4 + recordWords * i;
      memory[base + record.kernel] = kernel;
      memory[base + record.args] = 4 * parameters;
      memory[base + record.tasks] = taskCount;
      memory.set(words, parameters);
      parameters += words.length;
    });
  }

  static byteLength(commands: readonly Command[]): number {
    return commands.reduce((sum, { words }) => sum + 4 * (recordWords + words.length), 0);
  }

  /** Runs the commands in order. @throws if a task traps or a worker dies */
  run(): void {
    this.#pool.settle();
    const memory = this.#pool.words();
    const end = this.#pointer / 4 + recordWords * this.length;
    for (let base = this.#pointer / 4; base < end; base += recordWords) {
      memory[base + record.claimed] = 0;
      memory[base + record.done] = 0;
    }
    this.#pool.runRecords(this.#pointer, this.length, this.#isParallel);
  }

  /** Frees the list's own memory. */
  [Symbol.dispose](): void {
    if (!this.#isOwner) return;
    this.#pool.settle();
    this.#pool.memory.release(this.#pointer);
  }
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** A float32 as a parameter word. */
export function floatWord(value: number): number {
  float[0] = value;
  return bits[0]!;
}

function allocateFor(pool: ThreadPool, commands: readonly Command[]): number {
  return withMemoryTag('kernels', () => pool.memory.allocate(CommandList.byteLength(commands)));
}
