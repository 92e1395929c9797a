import { withMemoryTag } from '../memory-ledger.ts';
import { CommandList, type Command } from './command-list.ts';
import { LinearMemory } from './memory.ts';
import {
  controlBytes,
  createParticipant,
  layout,
  maxKernels,
  messagePointer,
  recordWords,
  scratchBytes,
  words,
  workerSource,
  type Participant,
  type ParticipantData,
} from './participant.ts';
import { Waiter } from './waiter.ts';
import type { ModuleBuilder } from './wasm/index.ts';

/** A worker thread, as the pool sees it. */
export interface WorkerHandle {
  terminate(): void;
}

/**
 * Starts a worker whose program is `source`, which defines `start(data)`; it must not keep the process
 * alive. `onDeath` is called with the reason if it ends by itself.
 */
export type SpawnWorker = (
  source: string,
  data: ParticipantData,
  onDeath: (reason: string) => void,
) => WorkerHandle;

export interface PoolOptions {
  /** Threads that compute, the calling one included. */
  readonly threads?: number;
  /** How to start a worker; without it the pool has one thread. */
  readonly spawn?: SpawnWorker;
  /**
   * A wait without any progress for this long is an error: a worker has died, since a task, the least that counts as
   * progress, takes seconds at most.
   */
  readonly stallMilliseconds?: number;
}

/**
 * The CPU's threads, one memory that they share, and the kernels that they know.
 * Which thread runs a task is left to chance, so a task's result must not depend on it.
 */
export class ThreadPool {
  readonly memory: LinearMemory;
  readonly threads: number;
  readonly #kernels = new Map<string, number>();
  readonly #self: Participant;
  readonly #workers: WorkerHandle[];
  readonly #waiter: Waiter;
  #view: Int32Array;
  #generation = 0;
  #broken: string | undefined;

  constructor(options: PoolOptions = {}) {
    const { threads = 1, spawn, stallMilliseconds = 30_000 } = options;
    const shared = spawn !== undefined && threads > 1 && typeof SharedArrayBuffer !== 'undefined';
    this.threads = shared ? threads : 1;
    this.memory = new LinearMemory({ shared, reserved: controlBytes });
    this.#view = new Int32Array(this.memory.memory.buffer);
    this.#waiter = new Waiter(() => this.words(), stallMilliseconds);
    const participants = Array.from({ length: this.threads }, (): ParticipantData => {
      const scratch = withMemoryTag('kernels', () => this.memory.allocate(scratchBytes));
      return { memory: this.memory.memory, scratch, layout };
    });
    this.#self = createParticipant(participants[0]!);
    this.#workers = participants.slice(1).map((data) =>
      spawn!(workerSource(), data, (reason) => {
        this.#broken ??= `CPU device: a worker thread died (${reason}). Open the device again.`;
      }),
    );
  }

  /** The number of the kernel named `key`, built at its first use. */
  kernel(key: string, build: () => ModuleBuilder): number {
    const known = this.#kernels.get(key);
    if (known !== undefined) return known;
    const id = this.#kernels.size;
    if (id === maxKernels)
      throw new Error(`CPU device: more than ${maxKernels} different kernels.`);
    const code = build().build(this.memory.isShared);
    // Threads compile it at their first use, which may be after the replay of a capture that it was built in.
    const pointer = withMemoryTag('kernels', () => this.memory.allocateNew(code.length));
    new Uint8Array(this.memory.memory.buffer).set(code, pointer);
    this.words().set([pointer, code.length], words.kernels + 2 * id);
    this.#kernels.set(key, id);
    this.#self.kernel(id);
    return id;
  }

  /** Runs commands in order, each one's tasks in parallel. @throws if a task traps or a worker dies */
  run(commands: readonly Command[]): void {
    using list = new CommandList(this, commands);
    list.run();
  }

  /** Runs `length` records at `pointer`; see `CommandList`, which writes them. */
  runRecords(pointer: number, length: number, isParallel: boolean): void {
    if (this.#broken) throw new Error(this.#broken);
    const onWait = (word: number, value: number): void => this.#wait(word, value);
    this.#waiter.start();
    if (this.threads > 1 && isParallel) this.#open(pointer, length);
    try {
      this.#self.walk(pointer, length, onWait);
    } finally {
      Atomics.store(this.words(), words.open, 0);
    }
    if (Atomics.load(this.words(), words.failed) !== 0) this.#throwFailure(pointer);
  }

  /** Returns when no thread looks at a list any more, so that lists may be rewritten or freed. */
  settle(): void {
    if (this.#broken || this.threads === 1) return;
    this.#waiter.start();
    for (;;) {
      const walking = Atomics.load(this.words(), words.walking);
      if (walking === 0) return;
      this.#wait(words.walking, walking);
    }
  }

  /** The memory as 32-bit words; fetched anew after it grew. */
  words(): Int32Array {
    const { buffer } = this.memory.memory;
    if (this.#view.byteLength !== buffer.byteLength) this.#view = new Int32Array(buffer);
    return this.#view;
  }

  destroy(): void {
    for (const worker of this.#workers) worker.terminate();
    this.#broken = 'CPU device: it was destroyed.';
  }

  #open(pointer: number, length: number): void {
    const control = this.words();
    control[words.listPointer] = pointer;
    control[words.listLength] = length;
    this.#generation = (this.#generation % 0x7fffffff) + 1;
    Atomics.store(control, words.open, this.#generation);
    if (Atomics.load(control, words.idle) > 0) Atomics.notify(control, words.open);
  }

  #wait(word: number, value: number): void {
    if (this.#waiter.wait(word, value)) return;
    this.#broken =
      `CPU device: a worker thread made no progress for ${this.#waiter.stallMilliseconds} ms; ` +
      'it may have died. Open the device again, or use one thread.';
    throw new Error(this.#broken);
  }

  #throwFailure(listPointer: number): never {
    // Others leave the list when they see the failure; only then may it be cleared.
    while (Atomics.load(this.words(), words.failed) < 0);
    this.settle();
    const command = Atomics.load(this.words(), words.failed) - 1;
    const length = this.words()[words.messageLength]!;
    const text = new Uint8Array(this.memory.memory.buffer).slice(
      messagePointer,
      messagePointer + length,
    );
    Atomics.store(this.words(), words.failed, 0);
    const kernel = this.words()[listPointer / 4 + recordWords * command]!;
    const key = [...this.#kernels.keys()][kernel];
    throw new Error(
      `CPU kernel "${key}" (command ${command}) failed: ${String.fromCharCode(...text)}`,
    );
  }
}
