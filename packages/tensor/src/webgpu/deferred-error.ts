/** The first error that the GPU reports, which it does later than the call that it is about. */
export class DeferredError {
  #first: Error | undefined;

  constructor(gpu: GPUDevice) {
    gpu.addEventListener('uncapturederror', ({ error }) =>
      this.note(new Error(`WebGPU: ${error.message}`)),
    );
    void gpu.lost.then(({ reason, message }) => {
      if (reason === 'destroyed') return;
      const why = message.trim() || 'the driver gave no reason';
      this.note(
        new Error(
          `the GPU device was lost (${why}); its memory is gone, so start again from the last checkpoint`,
        ),
      );
    });
  }

  note(error: Error): void {
    this.#first ??= error;
  }

  /** @throws the error, from its report on */
  check(): void {
    if (this.#first) throw this.#first;
  }
}
