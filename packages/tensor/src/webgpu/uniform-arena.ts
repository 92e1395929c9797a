/**
 * Parameters of dispatches, each block of them written once: equal blocks share one place, so that a
 * steady-state step uploads nothing. Blocks live in pages, bound with a dynamic offset.
 */
export class UniformArena {
  static readonly pageSize = 1 << 18;
  readonly #device: GPUDevice;
  readonly #alignment: number;
  readonly #known = new Map<string, { page: number; offset: number }>();
  readonly #pages: GPUBuffer[] = [];
  #used = UniformArena.pageSize;
  #staging = new ArrayBuffer(0);
  #uploadedTo = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#alignment = device.limits.minUniformBufferOffsetAlignment;
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  /** How many different blocks there are. */
  get blockCount(): number {
    return this.#known.size;
  }

  /** Where the block with these words is, adding it if it is new. `key` must tell blocks apart. */
  place(
    key: string,
    write: (view: DataView) => void,
    byteLength: number,
  ): { page: number; offset: number } {
    let place = this.#known.get(key);
    if (!place) {
      if (this.#used + byteLength > UniformArena.pageSize) this.#addPage();
      place = { page: this.#pages.length - 1, offset: this.#used };
      write(new DataView(this.#staging, this.#used, byteLength));
      this.#used = Math.ceil((this.#used + byteLength) / this.#alignment) * this.#alignment;
      this.#known.set(key, place);
    }
    return place;
  }

  page(index: number): GPUBuffer {
    return this.#pages[index]!;
  }

  /** Uploads the blocks added since the last call. Call before submitting commands that use them. */
  upload(): void {
    if (this.#pages.length === 0 || this.#uploadedTo === this.#used) return;
    const length = Math.min(this.#used, UniformArena.pageSize) - this.#uploadedTo;
    this.#device.queue.writeBuffer(
      this.#pages.at(-1)!,
      this.#uploadedTo,
      this.#staging,
      this.#uploadedTo,
      length,
    );
    this.#uploadedTo = this.#used;
  }

  #addPage(): void {
    this.upload();
    this.#pages.push(
      this.#device.createBuffer({
        size: UniformArena.pageSize,
        usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
      }),
    );
    this.#staging = new ArrayBuffer(UniformArena.pageSize);
    this.#used = 0;
    this.#uploadedTo = 0;
  }
}
