import type { MemoryReport } from '../device.ts';

const pageBytes = 65536;
const maxPages = 65536;
/** Vector loads may read this far past a block's end, so the memory never ends with a block. */
const overreadBytes = 256;
export const blockAlignment = 256;

/**
 * The size that a request is rounded up to: a multiple of 256 bytes, and beyond 2 KiB one of eight
 * steps an octave, so that freed blocks fit later requests and at most an eighth is wasted.
 */
export function bucketSize(byteLength: number): number {
  const step = Math.max(blockAlignment, 2 ** (Math.floor(Math.log2(Math.max(byteLength, 1))) - 3));
  return Math.max(1, Math.ceil(byteLength / step)) * step;
}

/** Hands out blocks of one growing WebAssembly memory, and keeps freed ones for the next request. */
export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  /** Addresses of the free blocks of each size. */
  #free = new Map<number, number[]>();
  /** Sizes of the blocks in use, by address. */
  readonly #live = new Map<number, number>();
  #end: number;
  #liveBytes = 0;
  #pooledBytes = 0;
  #peak = 0;

  /** @param reserved bytes at the start of the memory that are never handed out */
  constructor(options: { shared: boolean; reserved?: number }) {
    const { shared, reserved = blockAlignment } = options;
    this.isShared = shared;
    this.#end = roundUp(reserved, blockAlignment);
    const initial = Math.ceil((this.#end + overreadBytes) / pageBytes);
    this.memory = new WebAssembly.Memory({ initial, maximum: maxPages, shared });
  }

  /**
   * A block of at least `byteLength` bytes, aligned to 256; its contents are undefined.
   * @returns its address
   * @throws if the memory cannot grow to hold it
   */
  allocate(byteLength: number): number {
    const size = bucketSize(byteLength);
    return (
      this.#take(size) ??
      this.#extend(size) ??
      this.#takeLarger(size) ??
      this.#throwFull(byteLength)
    );
  }

  /** A block that was never in use, so that no pending or captured command writes to it. */
  allocateNew(byteLength: number): number {
    return this.#extend(bucketSize(byteLength)) ?? this.#throwFull(byteLength);
  }

  /** Gives a block back. @throws if `pointer` is not a block in use */
  release(pointer: number): void {
    const size = this.#live.get(pointer);
    if (size === undefined) {
      throw new Error(
        `CPU memory: no block in use begins at ${pointer}; it may have been released twice.`,
      );
    }
    this.#live.delete(pointer);
    const list = this.#free.get(size);
    if (list) list.push(pointer);
    else this.#free.set(size, [pointer]);
    this.#liveBytes -= size;
    this.#pooledBytes += size;
  }

  /**
   * Sets the free blocks aside, so that what follows neither takes from them nor adds to them, until
   * `restore`, which returns the blocks that were freed meanwhile; they count as in use.
   */
  isolate(): { restore: () => number[] } {
    const outer = this.#free;
    this.#free = new Map();
    return {
      restore: () => {
        const inner = this.#free;
        this.#free = outer;
        return [...inner].flatMap(([size, pointers]) =>
          pointers.map((pointer) => {
            this.#pooledBytes -= size;
            return this.#use(pointer, size);
          }),
        );
      },
    };
  }

  report(): MemoryReport {
    return {
      live: this.#liveBytes,
      pooled: this.#pooledBytes,
      peak: this.#peak,
      liveBlocks: this.#live.size,
    };
  }

  #throwFull(byteLength: number): never {
    throw new Error(
      `CPU memory: cannot allocate ${byteLength} bytes; ${this.#liveBytes} are in use and the memory ends at 4 GiB. ` +
        'Use a smaller batch or model.',
    );
  }

  #take(size: number): number | undefined {
    const pointer = this.#free.get(size)?.pop();
    if (pointer === undefined) return undefined;
    this.#pooledBytes -= size;
    return this.#use(pointer, size);
  }

  #use(pointer: number, size: number): number {
    this.#live.set(pointer, size);
    this.#liveBytes += size;
    this.#peak = Math.max(this.#peak, this.#liveBytes + this.#pooledBytes);
    return pointer;
  }

  #takeLarger(size: number): number | undefined {
    const fitting = [...this.#free].filter(([s, list]) => s >= size && list.length > 0);
    if (fitting.length === 0) return undefined;
    return this.#take(Math.min(...fitting.map(([s]) => s)));
  }

  /** A new block at the end; the memory grows by a quarter at least, since growing has a cost. */
  #extend(size: number): number | undefined {
    const pages = this.memory.buffer.byteLength / pageBytes;
    const needed = Math.ceil((this.#end + size + overreadBytes) / pageBytes);
    if (needed > maxPages) return undefined;
    if (needed > pages && !this.#grow(Math.max(needed, Math.ceil(pages * 1.25)) - pages)) {
      if (!this.#grow(needed - pages)) return undefined;
    }
    const pointer = this.#end;
    this.#end += size;
    return this.#use(pointer, size);
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

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
