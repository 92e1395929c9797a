import { blockSize, FreeBlocks } from '../free-blocks.ts';

/** Idle buffers above this many bytes go back to the driver. */
const mostIdleBytes = 16 << 20;

/** Mappable buffers for read-backs, used again by size, so that a steady loop of reads makes none. */
export class StagingBuffers {
  readonly #device: GPUDevice;
  readonly #idle = new FreeBlocks<GPUBuffer>();
  #idleBytes = 0;
  #created = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many buffers were made so far. */
  get created(): number {
    return this.#created;
  }

  /** A buffer of at least `byteLength` bytes that is not mapped. */
  take(byteLength: number): GPUBuffer {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(256, byteLength)));
    // What fits a tensor's buffer fits here, whatever the limit.
    const size = rounded <= this.#device.limits.maxBufferSize ? rounded : blockSize(byteLength);
    const idle = this.#idle.take(size);
    if (idle) {
      this.#idleBytes -= size;
      return idle;
    }
    this.#created++;
    return this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }

  /** Takes a buffer back that was unmapped and that no pending command uses. */
  give(buffer: GPUBuffer): void {
    if (this.#idleBytes + buffer.size > mostIdleBytes) {
      buffer.destroy();
      return;
    }
    this.#idleBytes += buffer.size;
    this.#idle.add(buffer.size, buffer);
  }

  /** Destroys the idle buffers. */
  trim(): void {
    for (const buffer of this.#idle.takeAll()) buffer.destroy();
    this.#idleBytes = 0;
  }
}
