/**
 * Where the threads meet: words (32-bit indices) at the start of the shared memory, a cache line apart.
 * Each command's record holds its own counters, so a thread that comes late skips what is done.
 */
export const words = {
  /** Number of the open list, 0 when none is open. Idle workers wait on it. */
  open: 16,
  /** Threads that walk the open list, the main one not counted. */
  walking: 32,
  /** Workers asleep until a list opens. */
  idle: 48,
  /** Threads asleep until a command's last task is done. */
  waiting: 64,
  /** Command number + 1 of the first task that failed. */
  failed: 80,
  /** Length in bytes of the failure's message. */
  messageLength: 81,
  /** The open list: its address and its number of commands. */
  listPointer: 96,
  listLength: 97,
  /** Kernel i's code: address at 2i, size at 2i + 1. */
  kernels: 512,
} as const;
export const maxKernels = 8192;
export const messagePointer = 1024;
const maxMessageBytes = 512;
export const controlBytes = 4 * (words.kernels + 2 * maxKernels);

/** Scratch memory of each thread, for what a task needs at a time. */
export const scratchBytes = 512 * 1024;

/** A command's record, in words: kernel, address of its parameters, tasks, tasks claimed, tasks done. */
export const recordWords = 16;
export const record = { kernel: 0, args: 1, tasks: 2, claimed: 3, done: 4 } as const;

/** All that a thread must know; a worker receives it as its first data. */
export interface ParticipantData {
  readonly memory: WebAssembly.Memory;
  /** Address of the thread's own scratch memory. */
  readonly scratch: number;
  readonly layout: typeof layout;
}
export const layout = { words, record, recordWords, messagePointer, maxMessageBytes } as const;

/** One thread's side of the work. */
export interface Participant {
  /** Runs the tasks of a list that no other thread has claimed. @param onWait called while waiting for others */
  walk(pointer: number, length: number, onWait: (word: number, value: number) => void): void;
  /** A worker's life: waits for lists and walks them. */
  serve(): never;
  kernel(id: number): (args: number, task: number) => void;
}

/**
 * Makes a thread's side of the work.
 *
 * Workers receive this function as text (`createParticipant.toString()`), because a page or a
 * TypeScript loader gives them no common way to load a file: it may refer to nothing outside itself.
 */
export function createParticipant({ memory, scratch, layout }: ParticipantData): Participant {
  const { words, record, recordWords, messagePointer, maxMessageBytes } = layout;
  const idleSpins = 3000;
  let view = new Int32Array(memory.buffer);
  const kernels: ((args: number, task: number) => void)[] = [];

  /**
   * Another thread's growth of the memory shows in `memory.buffer` a moment later; one's own
   * leaves an empty view if the memory is not shared.
   */
  const viewUpTo = (byteEnd: number): void => {
    while (4 * view.length < byteEnd) view = new Int32Array(memory.buffer);
  };

  const kernel = (id: number): ((args: number, task: number) => void) => {
    const known = kernels[id];
    if (known) return known;
    viewUpTo(1);
    const pointer = view[words.kernels + 2 * id]! >>> 0;
    const size = view[words.kernels + 2 * id + 1]!;
    viewUpTo(pointer + size);
    // A copy, since a module cannot be compiled from shared memory.
    const code = new Uint8Array(size);
    code.set(new Uint8Array(memory.buffer, pointer, size));
    const module = new WebAssembly.Module(code);
    const instance = new WebAssembly.Instance(module, { env: { memory, scratch: scratch | 0 } });
    return (kernels[id] = instance.exports.kernel as (args: number, task: number) => void);
  };

  const fail = (command: number, error: unknown): void => {
    if (Atomics.compareExchange(view, words.failed, 0, -1) !== 0) return;
    const text = String(error);
    const length = Math.min(text.length, maxMessageBytes);
    const message = new Uint8Array(memory.buffer, messagePointer, length);
    for (let i = 0; i < length; i++) message[i] = text.charCodeAt(i) & 127;
    view[words.messageLength] = length;
    Atomics.store(view, words.failed, command + 1);
  };

  /** Claims and runs tasks until none is left; returns how many. */
  const runTasks = (base: number, tasks: number): number => {
    let claimed = Atomics.add(view, base + record.claimed, 1);
    if (claimed >= tasks) return 0;
    const run = kernel(view[base + record.kernel]!);
    const args = view[base + record.args]!;
    let count = 0;
    for (; claimed < tasks; claimed = Atomics.add(view, base + record.claimed, 1)) {
      run(args, claimed);
      count++;
    }
    return count;
  };

  const walk: Participant['walk'] = (pointer, length, onWait) => {
    viewUpTo(pointer + 4 * recordWords * length);
    for (let command = 0; command < length; command++) {
      const base = (pointer >>> 2) + recordWords * command;
      const tasks = view[base + record.tasks]!;
      const doneWord = base + record.done;
      let ran = 0;
      try {
        ran = runTasks(base, tasks);
      } catch (error) {
        fail(command, error);
      }
      let done = Atomics.load(view, doneWord);
      if (ran > 0) {
        done = Atomics.add(view, doneWord, ran) + ran;
        if (done === tasks && Atomics.load(view, words.waiting) > 0) Atomics.notify(view, doneWord);
      }
      while (done < tasks) {
        if (Atomics.load(view, words.failed) !== 0) return;
        onWait(doneWord, done);
        done = Atomics.load(view, doneWord);
      }
    }
  };

  const sleepAfter = (spins: number) => {
    let spun = 0;
    return (word: number, value: number): void => {
      if (spun++ < spins) return;
      spun = 0;
      Atomics.add(view, words.waiting, 1);
      Atomics.wait(view, word, value, 20);
      Atomics.sub(view, words.waiting, 1);
    };
  };

  const serve = (): never => {
    const wait = sleepAfter(idleSpins);
    let walked = 0;
    const hasNews = (open: number): boolean => open !== 0 && open !== walked;
    for (;;) {
      let open = Atomics.load(view, words.open);
      for (let i = 0; i < idleSpins && !hasNews(open); i++) open = Atomics.load(view, words.open);
      if (!hasNews(open)) {
        Atomics.add(view, words.idle, 1);
        Atomics.wait(view, words.open, open);
        Atomics.sub(view, words.idle, 1);
        continue;
      }
      // The main thread closes a list, then reads `walking`; here it is the other way round, so
      // that a list is never rewritten under a thread that walks it.
      Atomics.add(view, words.walking, 1);
      open = Atomics.load(view, words.open);
      if (hasNews(open)) {
        walk(view[words.listPointer]! >>> 0, view[words.listLength]!, wait);
        walked = open;
      }
      Atomics.sub(view, words.walking, 1);
    }
  };

  return { walk, serve, kernel };
}

/** The program of a worker thread: `start(data)` never returns. */
export const workerSource = (): string =>
  // Some TypeScript loaders wrap functions in calls of a helper of this name.
  `const __name = (f) => f; const start = (data) => (${createParticipant.toString()})(data).serve();`;
