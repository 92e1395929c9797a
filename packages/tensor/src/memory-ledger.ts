import type { MemoryReport } from './device.ts';

let currentTag = 'other';
const graphTag = 'graph';

/** Runs `body`; memory that it allocates is booked under `tag` in the device's `memory()`. */
export function withMemoryTag<T>(tag: string, body: () => T): T {
  const previous = currentTag;
  currentTag = tag;
  try {
    return body();
  } finally {
    currentTag = previous;
  }
}

/** The tag under which memory is booked now. */
export function memoryTag(): string {
  return currentTag;
}

/** Bytes by tag. */
export class TagTotals {
  readonly #bytes = new Map<string, number>();
  total = 0;

  add(tag: string, bytes: number): void {
    this.total += bytes;
    this.#bytes.set(tag, (this.#bytes.get(tag) ?? 0) + bytes);
  }

  /** Those tags that hold anything. */
  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.#bytes].filter(([, bytes]) => bytes > 0));
  }
}

/** A device's books: which blocks are in use, and for what. */
export class MemoryLedger {
  readonly #blocks = new Map<number, { readonly size: number; readonly tag: string }>();
  readonly #inUse = new TagTotals();
  #pooled = 0;
  /** In blocks that graphs keep for their replays. */
  #kept = 0;
  #peak = 0;
  #mostInUse = 0;
  #mostByTag: Readonly<Record<string, number>> = {};

  get live(): number {
    return this.#inUse.total + this.#kept;
  }

  isInUse(id: number): boolean {
    return this.#blocks.has(id);
  }

  /** Books a block as in use, under the present tag. */
  take(id: number, size: number, { fromPool }: { fromPool: boolean }): void {
    this.#blocks.set(id, { size, tag: currentTag });
    this.#inUse.add(currentTag, size);
    if (fromPool) this.#pooled -= size;
    this.#peak = Math.max(this.#peak, this.live + this.#pooled);
    if (this.#inUse.total <= this.#mostInUse) return;
    this.#mostInUse = this.#inUse.total;
    this.#mostByTag = this.#inUse.toRecord();
  }

  /** Books a pooled block as a graph's. */
  keep(id: number, size: number): void {
    this.#blocks.set(id, { size, tag: graphTag });
    this.#pooled -= size;
    this.#kept += size;
  }

  /** Books a block out of use: into the pool, or out of existence. */
  give(id: number, { toPool }: { toPool: boolean }): void {
    const { size, tag } = this.#blocks.get(id)!;
    this.#blocks.delete(id);
    if (tag === graphTag) this.#kept -= size;
    else this.#inUse.add(tag, -size);
    if (toPool) this.#pooled += size;
  }

  /** Books pooled blocks out of existence. */
  drop(size: number): void {
    this.#pooled -= size;
  }

  report(): MemoryReport {
    const byTag = this.#inUse.toRecord();
    return {
      live: this.live,
      pooled: this.#pooled,
      peak: this.#peak,
      liveBlocks: this.#blocks.size,
      byTag: this.#kept > 0 ? { ...byTag, [graphTag]: this.#kept } : byTag,
      peakByTag: this.#mostByTag,
    };
  }
}
