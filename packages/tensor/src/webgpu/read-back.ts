import type { CommandStream } from './command-stream.ts';
import type { DeferredError } from './deferred-error.ts';
import type { StagingBuffers } from './staging-buffers.ts';

/** Awaits a promise of WebGPU. */
export type Wait = <T>(promise: Promise<T>) => Promise<T>;

/** Copies buffers to the host, after all commands so far. */
export class ReadBack {
  readonly #stream: CommandStream;
  readonly #staging: StagingBuffers;
  readonly #error: DeferredError;
  readonly #wait: Wait;

  constructor(
    stream: CommandStream,
    staging: StagingBuffers,
    { error, wait }: { error: DeferredError; wait: Wait },
  ) {
    this.#stream = stream;
    this.#staging = staging;
    this.#error = error;
    this.#wait = wait;
  }

  /** @throws the first error that the GPU has reported, whatever command it is of */
  async read(buffer: GPUBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    const staging = this.#staging.take(byteLength);
    this.#stream.outsidePass().copyBufferToBuffer(buffer, byteOffset, staging, 0, byteLength);
    this.#stream.submit();
    try {
      await this.#wait(staging.mapAsync(GPUMapMode.READ, 0, byteLength));
    } catch (error) {
      staging.destroy();
      this.#error.check();
      throw error;
    }
    const bytes = staging.getMappedRange(0, byteLength).slice(0);
    staging.unmap();
    this.#staging.give(staging);
    this.#error.check();
    return bytes;
  }
}
