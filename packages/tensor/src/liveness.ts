import { memoryTag, TagTotals } from './memory-ledger.ts';

interface Lifetime {
  readonly size: number;
  readonly tag: string;
  /** The first and the last command at which the block must exist. */
  readonly first: number;
  last: number;
}

/** The most bytes that are needed at a time, and for what. */
export interface MemoryNeed {
  readonly bytes: number;
  readonly byTag: Readonly<Record<string, number>>;
}

/**
 * What a sequence of commands needs of memory: each block from the command that fills it to the last one that uses
 * it, however long it is held, and at its exact size.
 */
export class Liveness {
  readonly #held = new Map<number, Lifetime>();
  readonly #done: Lifetime[] = [];
  #commands = 0;

  allocate(id: number, size: number): void {
    const next = this.#commands;
    this.#held.set(id, { size, tag: memoryTag(), first: next, last: next });
  }

  release(id: number): void {
    this.#done.push(this.#held.get(id)!);
    this.#held.delete(id);
  }

  /** The next command, and the blocks that it reads or writes. */
  command(ids: readonly number[]): void {
    for (const id of ids) this.#held.get(id)!.last = this.#commands;
    this.#commands++;
  }

  /** The need so far. Blocks that are held now count until now. */
  need(): MemoryNeed {
    const changes = Array.from({ length: this.#commands + 2 }, (): [string, number][] => []);
    for (const { size, tag, first, last } of this.#lifetimes()) {
      changes[first]!.push([tag, size]);
      changes[last + 1]!.push([tag, -size]);
    }
    const totals = new TagTotals();
    let most: MemoryNeed = { bytes: 0, byTag: {} };
    for (const change of changes) {
      for (const [tag, size] of change) totals.add(tag, size);
      if (totals.total > most.bytes) most = { bytes: totals.total, byTag: totals.toRecord() };
    }
    return most;
  }

  *#lifetimes(): Iterable<Lifetime> {
    yield* this.#done;
    for (const held of this.#held.values()) yield { ...held, last: this.#commands };
  }
}
