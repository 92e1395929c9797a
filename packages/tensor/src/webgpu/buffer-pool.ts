import type { MemoryReport, Storage } from '../device.ts';

/** A GPU buffer and the serial number of the last submission that uses it. */
export interface GpuStorage extends Storage {
  readonly buffer: GPUBuffer;
  /** The command batch that last used it; a host write must wait until that batch is submitted. */
  lastBatch: number;
}

// Buckets grow by powers of two up to 1 MiB and by eighths of a power of two above: little waste, much reuse.
function bucketSize(byteLength: number): number {
  const needed = Math.max(256, byteLength);
  const power = 2 ** Math.ceil(Math.log2(needed));
  if (power <= 1 << 20) return power;
  const step = power / 16;
  return Math.ceil(needed / step) * step;
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

/** Recycles buffers by size bucket. A released buffer is reused by later commands, which run after earlier ones. */
export class BufferPool {
  readonly #device: GPUDevice;
  #free = new Map<number, GpuStorage[]>();
  #nextId = 0;
  #live = 0;
  #pooled = 0;
  #peak = 0;
  #liveBlocks = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many buffers were made so far. */
  get created(): number {
    return this.#nextId;
  }

  allocate(byteLength: number): GpuStorage {
    const size = bucketSize(byteLength);
    const limit = this.#device.limits.maxStorageBufferBindingSize;
    if (size > limit) {
      throw new Error(
        `out of memory: a tensor of ${byteLength} bytes is larger than this adapter's ${limit} bytes a binding`,
      );
    }
    const recycled = this.#free.get(size)?.pop();
    if (recycled) this.#pooled -= size;
    this.#live += size;
    this.#liveBlocks++;
    this.#peak = Math.max(this.#peak, this.#live + this.#pooled);
    return recycled ?? this.#create(size);
  }

  release(storage: GpuStorage): void {
    const size = storage.byteLength;
    const bucket = this.#free.get(size);
    if (bucket) insertByDescendingId(bucket, storage);
    else this.#free.set(size, [storage]);
    this.#live -= size;
    this.#pooled += size;
    this.#liveBlocks--;
  }

  /** Sets the free list aside, so that what follows neither takes from it nor adds to it, until `restore`. */
  isolate(): { restore: () => GpuStorage[] } {
    const outer = this.#free;
    this.#free = new Map();
    return {
      restore: () => {
        const inner = [...this.#free.values()].flat();
        this.#free = outer;
        // Blocks that a graph keeps count as live.
        for (const storage of inner) {
          this.#pooled -= storage.byteLength;
          this.#live += storage.byteLength;
          this.#liveBlocks++;
        }
        return inner;
      },
    };
  }

  report(): MemoryReport {
    return {
      live: this.#live,
      pooled: this.#pooled,
      peak: this.#peak,
      liveBlocks: this.#liveBlocks,
    };
  }

  /** Returns pooled memory to the driver. Only after all submitted work is done. */
  trim(): void {
    for (const bucket of this.#free.values()) bucket.forEach(({ buffer }) => buffer.destroy());
    this.#free.clear();
    this.#pooled = 0;
  }

  #create(size: number): GpuStorage {
    const buffer = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    return { id: this.#nextId++, byteLength: size, buffer, lastBatch: -1 };
  }
}
