import type { Op } from './op.ts';
import type { Tensor } from './tensor.ts';

/** A device's memory block. It may be larger than asked for: at least 16 readable and writable bytes, rounded up to 256. */
export interface Storage {
  readonly id: number;
  readonly byteLength: number;
}

/** What a device's memory is for, in bytes where nothing else is said. */
export interface MemoryReport {
  /** Bytes in blocks in use: of tensors, graphs, and the device's own code. */
  live: number;
  /** Bytes in blocks that wait in the pool for reuse. */
  pooled: number;
  /** The largest `live + pooled` so far. */
  peak: number;
  /** Blocks in use. */
  liveBlocks: number;
  /** `live` by what it was allocated for; see `withMemoryTag`. */
  byTag: Readonly<Record<string, number>>;
  /**
   * Likewise when tensors held the most, beside what graphs keep. What `peak` is more, free blocks and those that
   * graphs keep made of different sizes than were needed at the time.
   */
  peakByTag: Readonly<Record<string, number>>;
}

/** Hears how many kernels are compiled, of those that need to be. */
export type CompileProgress = (done: number, total: number) => void;

/** A recorded list of commands with its own memory, run again by `replay`. */
export interface Graph {
  readonly commandCount: number;
  /**
   * Runs the recorded commands again on the same tensors; their inputs may have been rewritten in between.
   * @throws Error after `dispose`, and inside a capture, which would not record them
   */
  replay(): void;
  /** Frees the memory that the recorded commands work in. */
  dispose(): void;
}

/**
 * Where tensors live and ops run. Shape rules, vjps, autograd, nn and farmer know a device only through this.
 * Work is ordered: `run`, `write` and `read` take effect in the order of the calls.
 */
export interface Device {
  readonly kind: 'webgpu' | 'cpu' | 'shapes';
  /** What the user sees, for example "llvmpipe (LLVM 19.1.7, 256 bits)". */
  readonly name: string;
  /** A block of at least `byteLength` bytes; its contents are undefined. @throws Error when the memory is full */
  allocate(byteLength: number): Storage;
  /** Gives the block back to the pool; commands that already use it still run. */
  release(storage: Storage): void;
  /** Overwrites bytes from the host. @throws Error inside of a capture, which would not repeat it */
  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void;
  read(storage: Storage, byteOffset: number, byteLength: number): Promise<ArrayBuffer>;
  /** Whether the device has a kernel for the op; if not, `apply` decomposes it into ops that have one, where it can. */
  supports(op: Op<unknown>): boolean;
  /** Runs the op's kernel on tensors whose shapes are checked. */
  run<P>(op: Op<P>, inputs: readonly Tensor[], outputs: readonly Tensor[], params: P): void;
  /**
   * Prepares what `body` will need, side by side, where kernels take long to compile. The body runs without effect: it
   * must not read tensors, nor write them from the host.
   * @param onProgress of the kernels that are new
   */
  precompile(body: () => void, onProgress?: CompileProgress): Promise<void>;
  /**
   * Runs `body` and records the commands that it issues. Memory that it allocates and frees is reused
   * inside the recording and belongs to the returned graph. Tensors that it uses or leaves alive belong to the
   * caller, who must not free them before the last replay.
   */
  capture(body: () => void): Graph;
  /** Starts what is pending without waiting for it. */
  flush(): void;
  /** Resolves when all pending work is done. */
  synchronize(): Promise<void>;
  memory(): MemoryReport;
  /**
   * Gives up the free memory that is kept for later tensors: a GPU's goes back to the system; the CPU's, which cannot
   * shrink, becomes room for blocks of any size. To be called between phases of different needs, as after a training;
   * inside of a phase it would only be asked for again.
   */
  trim(): void;
  destroy(): void;
}

let current: Device | undefined;

/** The device on which new tensors are made. @throws if none was set */
export function defaultDevice(): Device {
  if (!current)
    throw new Error(
      'no device is set: call `await openDevice()` first, or setDefaultDevice(device)',
    );
  return current;
}

/** Sets the device on which new tensors are made; undefined for none. */
export function setDefaultDevice(device: Device | undefined): void {
  current = device;
}

/** Runs `body` with another default device. */
export function withDefaultDevice<T>(device: Device, body: () => T): T {
  const previous = current;
  current = device;
  try {
    return body();
  } finally {
    current = previous;
  }
}
