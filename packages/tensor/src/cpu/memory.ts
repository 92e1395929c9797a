import { roundUp } from '../round-up.ts';
import type { MemoryReport } from '../device.ts';
import { blockAlignment, blockSize, bucketSize, FreeBlocks } from '../free-blocks.ts';
import { MemoryLedger } from '../memory-ledger.ts';
import { FreeRoom } from './free-room.ts';

const pageBytes = 65536;
const maxPages = 65536;
/** Vector loads may read this far past a block's end, so the memory never ends with a block. */
const overreadBytes = 256;

/**
 * Hands out blocks of one growing WebAssembly memory, and keeps freed ones for the next request of their size; a
 * capture takes the best fit.
 */
export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  /** Addresses of free blocks. */
  readonly #free = new FreeBlocks<number>();
  /** What a capture freed; undefined outside of one. */
  #captured: FreeBlocks<number> | undefined;
  /** Sizes of all blocks, in use or free, by address. */
  readonly #blocks = new Map<number, number>();
  readonly #ledger = new MemoryLedger();
  readonly #room: FreeRoom;

  /** @param reserved bytes at the start of the memory that are never handed out */
  constructor(options: { shared: boolean; reserved?: number }) {
    const { shared, reserved = blockAlignment } = options;
    this.isShared = shared;
    const start = roundUp(reserved, blockAlignment);
    this.#room = new FreeRoom(start, maxPages * pageBytes - overreadBytes);
    const initial = Math.ceil((start + overreadBytes) / pageBytes);
    this.memory = new WebAssembly.Memory({ initial, maximum: maxPages, shared });
  }

  /**
   * A block of at least `byteLength` bytes, aligned to 256; its contents are undefined.
   * @returns its address
   * @throws if the memory cannot grow to hold it
   */
  allocate(byteLength: number): number {
    const size = this.#captured ? blockSize(byteLength) : bucketSize(byteLength);
    return (
      this.#recycle(size) ??
      this.#extend(size) ??
      this.#takeLarger(size) ??
      this.#throwFull(byteLength)
    );
  }

  /** The size of the block at an address. */
  sizeOf(pointer: number): number {
    return this.#blocks.get(pointer)!;
  }

  /** A block where none was since `trim`, so that no pending or captured command writes to it. */
  allocateNew(byteLength: number): number {
    return this.#extend(bucketSize(byteLength)) ?? this.#throwFull(byteLength);
  }

  /** Gives a block back. @throws if `pointer` is not a block in use */
  release(pointer: number): void {
    if (!this.#ledger.isInUse(pointer)) {
      throw new Error(
        `CPU memory: no block in use begins at ${pointer}; it may have been released twice.`,
      );
    }
    this.#ledger.give(pointer, { toPool: true });
    (this.#captured ?? this.#free).add(this.sizeOf(pointer), pointer);
  }

  /**
   * Begins a capture: what is released from now on is reused inside of it alone, until `restore`, which returns the
   * blocks that the graph keeps for its replays.
   */
  isolate(): { restore: () => number[] } {
    const captured = (this.#captured = new FreeBlocks<number>());
    return {
      restore: () => {
        this.#captured = undefined;
        const kept = captured.takeAll();
        for (const pointer of kept) this.#ledger.keep(pointer, this.sizeOf(pointer));
        return kept;
      },
    };
  }

  /**
   * Gives up the free blocks, whose room then serves blocks of any size; the memory itself cannot shrink. No pending
   * command may use them.
   */
  trim(): void {
    for (const pointer of this.#free.takeAll()) {
      const size = this.sizeOf(pointer);
      this.#blocks.delete(pointer);
      this.#room.give(pointer, size);
      this.#ledger.drop(size);
    }
  }

  report(): MemoryReport {
    return this.#ledger.report();
  }

  #throwFull(byteLength: number): never {
    throw new Error(
      `CPU memory: cannot allocate ${byteLength} bytes; ${this.#ledger.live} are in use and the memory ends at 4 GiB. ` +
        'Use a smaller batch or model.',
    );
  }

  #recycle(size: number): number | undefined {
    if (!this.#captured) return this.#reuse(this.#free.take(size));
    return this.#reuse(this.#captured.takeBest(size) ?? this.#free.takeBest(size));
  }

  /** When the memory cannot grow, any block that is large enough must do. */
  #takeLarger(size: number): number | undefined {
    return this.#reuse(
      this.#captured?.takeBest(size, Infinity) ?? this.#free.takeBest(size, Infinity),
    );
  }

  #reuse(pointer: number | undefined): number | undefined {
    if (pointer !== undefined) this.#ledger.take(pointer, this.sizeOf(pointer), { fromPool: true });
    return pointer;
  }

  /** A new block where no block is. */
  #extend(size: number): number | undefined {
    const pointer = this.#room.take(size);
    if (pointer === undefined) return undefined;
    if (!this.#growTo(pointer + size + overreadBytes)) {
      this.#room.give(pointer, size);
      return undefined;
    }
    this.#blocks.set(pointer, size);
    this.#ledger.take(pointer, size, { fromPool: false });
    return pointer;
  }

  /** Grows the memory by a quarter at least, where it can, since growing has a cost. */
  #growTo(end: number): boolean {
    const pages = this.memory.buffer.byteLength / pageBytes;
    const missing = Math.ceil(end / pageBytes) - pages;
    if (missing <= 0) return true;
    const ample = Math.min(Math.ceil(pages / 4), maxPages - pages);
    return this.#grow(Math.max(missing, ample)) || this.#grow(missing);
  }

  #grow(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }
}
