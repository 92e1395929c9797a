import { captureMemory, guardedGraph, hostWriteError } from '../capture.ts';
import type { CompileProgress, Device, Graph, MemoryReport, Storage } from '../device.ts';
import type { Op } from '../op.ts';
import { withTemporaries } from '../temporaries.ts';
import type { Tensor } from '../tensor.ts';
import type { Autotuner } from './autotune.ts';
import { BufferPool, type GpuStorage } from './buffer-pool.ts';
import { CommandStream, type Command } from './command-stream.ts';
import { DeferredError } from './deferred-error.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Kernel, WebGpuCapabilities, WebGpuKernel } from './kernel.ts';
import { profile, type DispatchTime } from './profiler.ts';
import { ReadBack, type Wait } from './read-back.ts';
import { StagingBuffers } from './staging-buffers.ts';
import { UniformArena } from './uniform-arena.ts';

/** A captured graph that knows the kernel of each of its commands. */
export interface WebGpuGraph extends Graph {
  readonly kernels: readonly Kernel[];
}

export interface WebGpuDeviceOptions {
  readonly name: string;
  readonly capabilities: WebGpuCapabilities;
  /** Makes the device measure variants of kernels, rather than choose by the selection table. */
  readonly tuner?: Autotuner | undefined;
  /** How to wait, where a plain `await` is dear. */
  readonly wait?: Wait;
}

/** How many objects were made since the start. */
export interface DeviceStatistics {
  readonly submits: number;
  readonly pipelines: number;
  readonly bindGroups: number;
  /** Of storage, parameters and read-backs. */
  readonly buffers: number;
  /** Different sets of kernel parameters. */
  readonly uniformBlocks: number;
}

/**
 * Runs ops as compute dispatches. Dispatches collect in one compute pass; they are submitted at a read-back,
 * at `flush`, or when the host writes to memory that a collected dispatch uses.
 */
export class WebGpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly name: string;
  readonly gpu: GPUDevice;
  readonly capabilities: WebGpuCapabilities;
  readonly #tuner: Autotuner | undefined;
  readonly #wait: Wait;
  readonly #pool: BufferPool;
  readonly #uniforms: UniformArena;
  readonly #stream: CommandStream;
  readonly #dispatcher: Dispatcher;
  readonly #staging: StagingBuffers;
  readonly #readBack: ReadBack;
  readonly #error: DeferredError;

  constructor(gpu: GPUDevice, options: WebGpuDeviceOptions) {
    const { name, capabilities, tuner, wait = (promise) => promise } = options;
    this.gpu = gpu;
    this.name = name;
    this.capabilities = capabilities;
    this.#tuner = tuner;
    this.#wait = wait;
    const error = (this.#error = new DeferredError(gpu));
    const uniforms = (this.#uniforms = new UniformArena(gpu));
    const stream = (this.#stream = new CommandStream(gpu, uniforms));
    this.#pool = new BufferPool(gpu);
    this.#dispatcher = new Dispatcher(gpu, { stream, uniforms, error });
    this.#staging = new StagingBuffers(gpu);
    this.#readBack = new ReadBack(stream, this.#staging, { error, wait });
  }

  allocate(byteLength: number): Storage {
    // What only shows its kernels needs no memory.
    if (this.#dispatcher.purpose === 'precompile') return { id: -1, byteLength };
    return this.#pool.allocate(byteLength);
  }

  release(storage: Storage): void {
    if ('buffer' in storage) this.#pool.release(storage as GpuStorage);
  }

  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    const { purpose } = this.#dispatcher;
    if (purpose) throw hostWriteError(purpose);
    const { buffer } = storage as GpuStorage;
    // Queue writes overtake commands that are not yet submitted.
    if (this.#stream.isPending(storage as GpuStorage)) this.flush();
    this.gpu.queue.writeBuffer(
      buffer,
      byteOffset,
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  async read(storage: Storage, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    if (byteLength === 0) return new ArrayBuffer(0);
    const { buffer } = storage as GpuStorage;
    const bytes = await this.#readBack.read(buffer, byteOffset, byteLength);
    await this.#tuner?.runTrials();
    return bytes;
  }

  supports(op: Op<unknown>): boolean {
    return op.kernels?.webgpu !== undefined;
  }

  run<P>(op: Op<P>, inputs: readonly Tensor[], outputs: readonly Tensor[], params: P): void {
    const kernel = op.kernels?.webgpu;
    if (!kernel) throw new Error(`${op.name}: no WebGPU kernel`);
    this.runKernel(kernel, { inputs, outputs }, params);
  }

  /** Runs an op's kernel, or a variant of it. */
  runKernel<P>(
    kernel: WebGpuKernel<P>,
    tensors: { inputs: readonly Tensor[]; outputs: readonly Tensor[] },
    params: P,
  ): void {
    withTemporaries(this, (temporary) => {
      kernel(
        {
          capabilities: this.capabilities,
          tuning: this.#tuner && { tuner: this.#tuner, device: this },
          dispatch: (...args) => this.#dispatcher.dispatch(...args),
          temporary,
        },
        { ...tensors, params },
      );
    });
  }

  async precompile(body: () => void, onProgress?: CompileProgress): Promise<void> {
    const { purpose } = this.#dispatcher;
    if (purpose) throw new Error(`precompile: not inside a ${purpose}`);
    await this.#wait(this.#dispatcher.precompile(body, onProgress));
  }

  capture(body: () => void): WebGpuGraph {
    if (this.#dispatcher.purpose) throw new Error('capture: captures do not nest');
    let commands: readonly Command[] = [];
    const release = captureMemory(this.#pool, () => {
      commands = this.#dispatcher.record(body);
    });
    const graph = guardedGraph({
      commandCount: commands.length,
      isCapturing: () => this.#dispatcher.purpose === 'capture',
      replay: () => commands.forEach((command) => this.#stream.encode(command)),
      dispose: () => {
        release();
        commands = [];
      },
    });
    return { ...graph, kernels: commands.map(({ pipeline }) => pipeline.kernel) };
  }

  flush(): void {
    this.#stream.submit();
  }

  async synchronize(): Promise<void> {
    this.flush();
    await this.#wait(this.gpu.queue.onSubmittedWorkDone());
    this.#error.check();
    await this.#tuner?.runTrials();
  }

  /**
   * GPU time of each dispatch that `body` issues, in their order. Each has a pass of its own, so that the whole
   * takes a little longer than without.
   * @throws where the adapter has no timestamps
   */
  profile(body: () => void): Promise<DispatchTime[]> {
    return profile(this.gpu, { stream: this.#stream, readBack: this.#readBack }, body);
  }

  memory(): MemoryReport {
    return this.#pool.report();
  }

  trim(): void {
    if (this.#dispatcher.purpose) throw new Error('trim: not inside a capture');
    this.flush();
    this.#pool.trim();
    this.#staging.trim();
    this.#dispatcher.bindings.clear();
  }

  /** Counts since the start, for tests of the steady state. */
  statistics(): DeviceStatistics {
    return {
      submits: this.#stream.submits,
      pipelines: this.#dispatcher.pipelines.size,
      bindGroups: this.#dispatcher.bindings.created,
      buffers: this.#pool.created + this.#uniforms.pageCount + this.#staging.created,
      uniformBlocks: this.#uniforms.blockCount,
    };
  }

  destroy(): void {
    this.gpu.destroy();
  }
}
