import type { Tensor } from '../tensor.ts';

/** Runs an op on the CPU device. */
export type CpuKernel<P> = {
  run(
    run: unknown,
    call: { inputs: readonly Tensor[]; outputs: readonly Tensor[]; params: P },
  ): void;
}['run'];
