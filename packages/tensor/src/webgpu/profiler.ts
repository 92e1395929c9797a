import type { Kernel } from './kernel.ts';

/** GPU time of one dispatch. */
export interface DispatchTime {
  readonly kernel: Kernel;
  readonly nanoseconds: number;
}

/** Two timestamps a dispatch; WebGPU's largest query set. */
const queriesPerSet = 4096;

/** Timestamps before and after each dispatch, which has a compute pass of its own meanwhile. */
export class Profiler {
  readonly #gpu: GPUDevice;
  readonly #kernels: Kernel[] = [];
  readonly #sets: GPUQuerySet[] = [];

  /** @throws where the adapter has no timestamps */
  constructor(gpu: GPUDevice) {
    if (!gpu.features.has('timestamp-query')) {
      throw new Error('profile: this adapter has no timestamps (timestamp-query)');
    }
    this.#gpu = gpu;
  }

  /** Where the pass of the next dispatch writes its timestamps. */
  next(kernel: Kernel): GPUComputePassTimestampWrites {
    const at = (2 * this.#kernels.length) % queriesPerSet;
    if (at === 0) {
      this.#sets.push(this.#gpu.createQuerySet({ type: 'timestamp', count: queriesPerSet }));
    }
    this.#kernels.push(kernel);
    const querySet = this.#sets.at(-1)!;
    return { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** The times of all dispatches, in their order. Their commands must have been submitted. */
  async read(): Promise<DispatchTime[]> {
    const gpu = this.#gpu;
    const size = this.#sets.length * queriesPerSet * 8;
    if (size === 0) return [];
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const resolved = gpu.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = gpu.createBuffer({ size, usage: COPY_DST | MAP_READ });
    const encoder = gpu.createCommandEncoder();
    this.#sets.forEach((set, i) =>
      encoder.resolveQuerySet(set, 0, queriesPerSet, resolved, i * queriesPerSet * 8),
    );
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(staging.getMappedRange());
    const dispatches = this.#kernels.map((kernel, i) => ({
      kernel,
      nanoseconds: Number(times[2 * i + 1]! - times[2 * i]!),
    }));
    for (const used of [resolved, staging, ...this.#sets]) used.destroy();
    return dispatches;
  }
}
