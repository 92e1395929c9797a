import type { CommandStream } from './command-stream.ts';
import type { Kernel } from './kernel.ts';
import type { ReadBack } from './read-back.ts';

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

  get isEmpty(): boolean {
    return this.#kernels.length === 0;
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

  /** Encodes the copy of all timestamps to a buffer, which it returns: two of 64 bits for each dispatch. */
  resolve(encoder: GPUCommandEncoder): GPUBuffer {
    const bytesPerSet = 8 * queriesPerSet;
    const timestamps = this.#gpu.createBuffer({
      size: bytesPerSet * this.#sets.length,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    this.#sets.forEach((set, i) =>
      encoder.resolveQuerySet(set, 0, queriesPerSet, timestamps, i * bytesPerSet),
    );
    return timestamps;
  }

  /** The times of all dispatches, in their order. */
  times(timestamps: BigUint64Array): DispatchTime[] {
    return this.#kernels.map((kernel, i) => ({
      kernel,
      nanoseconds: Number(timestamps[2 * i + 1]! - timestamps[2 * i]!),
    }));
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
  }
}

/**
 * GPU time of each dispatch that `body` issues, in their order.
 * @throws where the adapter has no timestamps
 */
export async function profile(
  gpu: GPUDevice,
  { stream, readBack }: { stream: CommandStream; readBack: ReadBack },
  body: () => void,
): Promise<DispatchTime[]> {
  const profiler = new Profiler(gpu);
  stream.submit();
  stream.profile(profiler, body);
  if (profiler.isEmpty) return [];
  const timestamps = profiler.resolve(stream.outsidePass());
  const bytes = await readBack.read(timestamps, 0, timestamps.size);
  timestamps.destroy();
  profiler.destroy();
  return profiler.times(new BigUint64Array(bytes));
}
