import type { MemoryReport, Storage } from '../device.ts';
import { blockSize, bucketSize, FreeBlocks } from '../free-blocks.ts';
import { MemoryLedger } from '../memory-ledger.ts';

/** A GPU buffer and the serial number of the last submission that uses it. */
export interface GpuStorage extends Storage {
  readonly buffer: GPUBuffer;
  /** The command batch that last used it; a host write must wait until that batch is submitted. */
  lastBatch: number;
}

// With the lowest id taken first, the order of earlier releases does not matter: each step of a loop gets
// the buffers of the step before, and so finds its bind groups.
function insertByDescendingId(bucket: GpuStorage[], storage: GpuStorage): void {
  let low = 0;
  let high = bucket.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bucket[middle]!.id > storage.id) low = middle + 1;
    else high = middle;
  }
  bucket.splice(low, 0, storage);
}

/**
 * Recycles buffers by size. A released buffer is reused by later commands, which run after earlier ones. Outside of
 * captures a request takes a buffer of its own size, so that loops settle; a capture takes the best fit.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new FreeBlocks(insertByDescendingId);
  /** What a capture freed; undefined outside of one. */
  #captured: FreeBlocks<GpuStorage> | undefined;
  readonly #ledger = new MemoryLedger();
  #nextId = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many buffers were made so far. */
  get created(): number {
    return this.#nextId;
  }

  allocate(byteLength: number): GpuStorage {
    const limit = this.#device.limits.maxStorageBufferBindingSize;
    const rounded = this.#captured ? blockSize(byteLength) : bucketSize(byteLength);
    // Limits are not always the end of a bucket.
    const size = rounded <= limit ? rounded : blockSize(byteLength);
    if (size > limit) {
      throw new Error(
        `out of memory: a tensor of ${byteLength} bytes is larger than this adapter's ${limit} bytes a binding`,
      );
    }
    const recycled = this.#captured
      ? (this.#captured.takeBest(size) ?? this.#free.takeBest(size))
      : this.#free.take(size);
    const storage = recycled ?? this.#create(size);
    this.#ledger.take(storage.id, storage.byteLength, { fromPool: recycled !== undefined });
    return storage;
  }

  release(storage: GpuStorage): void {
    (this.#captured ?? this.#free).add(storage.byteLength, storage);
    this.#ledger.give(storage.id, { toPool: true });
  }

  /**
   * Begins a capture: what is released from now on is reused inside of it alone, until `restore`, which returns the
   * buffers that the graph keeps for its replays.
   */
  isolate(): { restore: () => GpuStorage[] } {
    const captured = (this.#captured = new FreeBlocks(insertByDescendingId));
    return {
      restore: () => {
        this.#captured = undefined;
        const kept = captured.takeAll();
        for (const { id, byteLength } of kept) this.#ledger.keep(id, byteLength);
        return kept;
      },
    };
  }

  /** Destroys the free buffers; commands that use them must have been submitted. */
  trim(): void {
    for (const { buffer, byteLength } of this.#free.takeAll()) {
      buffer.destroy();
      this.#ledger.drop(byteLength);
    }
  }

  report(): MemoryReport {
    return this.#ledger.report();
  }

  #create(size: number): GpuStorage {
    const buffer = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    return { id: this.#nextId++, byteLength: size, buffer, lastBatch: -1 };
  }
}
