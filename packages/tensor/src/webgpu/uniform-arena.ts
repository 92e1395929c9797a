import { roundUp } from '../round-up.ts';

/** A buffer of many blocks of parameters. */
export interface UniformPage {
  readonly id: number;
  readonly buffer: GPUBuffer;
}

/** Where a block of parameters begins. */
export interface UniformPlace {
  readonly page: UniformPage;
  readonly offset: number;
}

/** Blocks that are remembered at the most: 16 MiB of them. */
const mostKnown = 65536;

/**
 * Parameters of dispatches, each block of them written once: equal blocks share one place, so that a
 * steady-state step uploads nothing. Blocks live in pages, bound with a dynamic offset.
 */
export class UniformArena {
  static readonly pageSize = 1 << 18;
  readonly #device: GPUDevice;
  readonly #alignment: number;
  readonly #known = new Map<string, UniformPlace>();
  /** The page that blocks are added to; earlier ones are full. */
  #page: UniformPage | undefined;
  #used = UniformArena.pageSize;
  #staging = new ArrayBuffer(0);
  #uploadedTo = 0;
  #pages = 0;
  #blocks = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#alignment = device.limits.minUniformBufferOffsetAlignment;
  }

  /** How many pages were made so far. */
  get pageCount(): number {
    return this.#pages;
  }

  /** How many blocks were written so far. */
  get blockCount(): number {
    return this.#blocks;
  }

  /** Where the block with these words is, adding it if it is new. `key` must tell blocks apart. */
  place(key: string, write: (view: DataView) => void, byteLength: number): UniformPlace {
    let place = this.#known.get(key);
    if (!place) {
      if (this.#used + byteLength > UniformArena.pageSize) this.#addPage();
      place = { page: this.#page!, offset: this.#used };
      write(new DataView(this.#staging, this.#used, byteLength));
      this.#used = roundUp(this.#used + byteLength, this.#alignment);
      // A program whose parameters never repeat must not hoard pages; bind groups hold those that they need.
      if (this.#known.size >= mostKnown) this.#known.clear();
      this.#known.set(key, place);
      this.#blocks++;
    }
    return place;
  }

  /** Uploads the blocks added since the last call. Call before submitting commands that use them. */
  upload(): void {
    if (!this.#page || this.#uploadedTo === this.#used) return;
    const length = Math.min(this.#used, UniformArena.pageSize) - this.#uploadedTo;
    this.#device.queue.writeBuffer(
      this.#page.buffer,
      this.#uploadedTo,
      this.#staging,
      this.#uploadedTo,
      length,
    );
    this.#uploadedTo = this.#used;
  }

  #addPage(): void {
    this.upload();
    const buffer = this.#device.createBuffer({
      size: UniformArena.pageSize,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#page = { id: this.#pages++, buffer };
    this.#staging = new ArrayBuffer(UniformArena.pageSize);
    this.#used = 0;
    this.#uploadedTo = 0;
  }
}
