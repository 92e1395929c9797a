import { captureMemory, guardedGraph } from '../capture.ts';
import type { CompileProgress, Device, Graph, MemoryReport, Storage } from '../device.ts';
import { withMemoryTag } from '../memory-ledger.ts';
import type { Op } from '../op.ts';
import { Tensor } from '../tensor.ts';
import type { Autotuner } from './autotune.ts';
import { Bindings, type Bound } from './bindings.ts';
import { BufferPool, type GpuStorage } from './buffer-pool.ts';
import type { Kernel, KernelRun, WebGpuCapabilities, WebGpuKernel } from './kernel.ts';
import { PipelineCache, type Pipeline } from './pipelines.ts';
import { StagingRing } from './staging.ts';
import { Profiler, type DispatchTime } from './profiler.ts';
import { UniformArena } from './uniform-arena.ts';

interface Command extends Bound {
  readonly pipeline: Pipeline;
  readonly workgroups: readonly [number, number, number];
  readonly storages: readonly GpuStorage[];
}

/** A captured graph that knows the kernel of each of its commands. */
export interface WebGpuGraph extends Graph {
  readonly kernels: readonly Kernel[];
}

/** Awaits a promise of WebGPU. */
export type Wait = <T>(promise: Promise<T>) => Promise<T>;

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
  readonly #pipelines: PipelineCache;
  readonly #uniforms: UniformArena;
  readonly #staging: StagingRing;
  readonly #bindings: Bindings;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #batch = 0;
  #recording: Command[] | undefined;
  /** The kernels of a body that `precompile` runs; meanwhile nothing is dispatched, and memory is nowhere. */
  #needed: Set<Kernel> | undefined;
  #profiler: Profiler | undefined;
  #error: Error | undefined;
  #submits = 0;

  constructor(gpu: GPUDevice, options: WebGpuDeviceOptions) {
    this.gpu = gpu;
    this.name = options.name;
    this.capabilities = options.capabilities;
    this.#tuner = options.tuner;
    this.#wait = options.wait ?? ((promise) => promise);
    this.#pool = new BufferPool(gpu);
    this.#pipelines = new PipelineCache(gpu, (error) => (this.#error ??= error));
    this.#uniforms = new UniformArena(gpu);
    this.#bindings = new Bindings(gpu, this.#uniforms);
    this.#staging = new StagingRing(gpu);
    gpu.addEventListener('uncapturederror', (event) => {
      this.#error ??= new Error(`WebGPU: ${event.error.message}`);
    });
    void gpu.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.#error ??= new Error(`the GPU device was lost: ${message}`);
    });
  }

  allocate(byteLength: number): Storage {
    return this.#needed ? { id: -1, byteLength } : this.#pool.allocate(byteLength);
  }

  release(storage: Storage): void {
    if ('buffer' in storage) this.#pool.release(storage as GpuStorage);
  }

  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    if (this.#recording || this.#needed) {
      throw new Error(
        'capture: the body writes a tensor from the host, which a replay would not repeat; write it before the capture',
      );
    }
    const target = storage as GpuStorage;
    // Queue writes overtake commands that are not yet submitted.
    if (this.#encoder && target.lastBatch === this.#batch) this.flush();
    this.gpu.queue.writeBuffer(
      target.buffer,
      byteOffset,
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  async read(storage: Storage, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    if (byteLength === 0) return new ArrayBuffer(0);
    const bytes = await this.#readBack((storage as GpuStorage).buffer, byteOffset, byteLength);
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
    const temporaries: Storage[] = [];
    const run: KernelRun = {
      capabilities: this.capabilities,
      tuning: this.#tuner && { tuner: this.#tuner, device: this },
      dispatch: (...args) => this.#dispatch(...args),
      temporary: (byteLength) => {
        const storage = withMemoryTag('temporaries', () => this.allocate(byteLength));
        temporaries.push(storage);
        return storage;
      },
    };
    try {
      kernel(run, { ...tensors, params });
    } finally {
      for (const storage of temporaries) this.release(storage);
    }
  }

  async precompile(body: () => void, onProgress?: CompileProgress): Promise<void> {
    if (this.#recording) throw new Error('precompile: not inside a capture');
    const kernels = (this.#needed = new Set<Kernel>());
    try {
      body();
    } finally {
      this.#needed = undefined;
    }
    await this.#wait(this.#pipelines.compile(kernels, onProgress));
  }

  capture(body: () => void): WebGpuGraph {
    if (this.#recording) throw new Error('capture: captures do not nest');
    const commands: Command[] = (this.#recording = []);
    const release = captureMemory(this.#pool, () => {
      try {
        body();
      } finally {
        this.#recording = undefined;
      }
    });
    const graph = guardedGraph({
      commandCount: commands.length,
      isCapturing: () => this.#recording !== undefined,
      replay: () => commands.forEach((command) => this.#encode(command)),
      dispose: () => {
        release();
        commands.length = 0;
      },
    });
    return { ...graph, kernels: commands.map(({ pipeline }) => pipeline.kernel) };
  }

  flush(): void {
    if (!this.#encoder) return;
    this.#endPass();
    this.#uniforms.upload();
    this.gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#batch++;
    this.#submits++;
  }

  async synchronize(): Promise<void> {
    this.flush();
    await this.#wait(this.gpu.queue.onSubmittedWorkDone());
    if (this.#error) throw this.#error;
    await this.#tuner?.runTrials();
  }

  /**
   * GPU time of each dispatch that `body` issues, in their order. Each has a pass of its own, so that the whole
   * takes a little longer than without.
   * @throws where the adapter has no timestamps
   */
  async profile(body: () => void): Promise<DispatchTime[]> {
    this.flush();
    const profiler = (this.#profiler = new Profiler(this.gpu));
    try {
      body();
    } finally {
      this.#endPass();
      this.#profiler = undefined;
    }
    if (profiler.isEmpty) return [];
    const timestamps = profiler.resolve((this.#encoder ??= this.gpu.createCommandEncoder()));
    const bytes = await this.#readBack(timestamps, 0, timestamps.size);
    timestamps.destroy();
    profiler.destroy();
    return profiler.times(new BigUint64Array(bytes));
  }

  memory(): MemoryReport {
    return this.#pool.report();
  }

  /** Counts since the start, for tests of the steady state. */
  statistics(): DeviceStatistics {
    return {
      submits: this.#submits,
      pipelines: this.#pipelines.size,
      bindGroups: this.#bindings.created,
      buffers: this.#pool.created + this.#uniforms.pageCount + this.#staging.created,
      uniformBlocks: this.#uniforms.blockCount,
    };
  }

  destroy(): void {
    this.#uniforms.destroy();
    this.#staging.destroy();
    this.gpu.destroy();
  }

  #dispatch(
    kernel: Kernel,
    buffers: readonly (Tensor | Storage)[],
    uniforms: readonly number[],
    [x, y = 1, z = 1]: readonly [number, number?, number?],
  ): void {
    if (x * y * z === 0) return;
    if (this.#needed) {
      this.#needed.add(kernel);
      return;
    }
    const pipeline = this.#pipelines.get(kernel);
    const command: Command = {
      pipeline,
      ...this.#bindings.bind(pipeline, buffers, uniforms),
      workgroups: [x, y, z],
      storages: buffers.map(
        (buffer) => (buffer instanceof Tensor ? buffer.storage : buffer) as GpuStorage,
      ),
    };
    this.#recording?.push(command);
    this.#encode(command);
  }

  #encode({ pipeline, bindGroup, offsets, workgroups, storages }: Command): void {
    for (const storage of storages) storage.lastBatch = this.#batch;
    this.#encoder ??= this.gpu.createCommandEncoder();
    if (this.#profiler) {
      this.#endPass();
      const timestampWrites = this.#profiler.next(pipeline.kernel);
      this.#pass = this.#encoder.beginComputePass({ timestampWrites });
    }
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(pipeline.pipeline);
    this.#pass.setBindGroup(0, bindGroup, offsets);
    this.#pass.dispatchWorkgroups(...workgroups);
  }

  async #readBack(buffer: GPUBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    const staging = this.#staging.take(byteLength);
    this.#endPass();
    this.#encoder ??= this.gpu.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(buffer, byteOffset, staging, 0, byteLength);
    this.flush();
    try {
      await this.#wait(staging.mapAsync(GPUMapMode.READ, 0, byteLength));
    } catch (error) {
      staging.destroy();
      throw this.#error ?? error;
    }
    const bytes = staging.getMappedRange(0, byteLength).slice(0);
    staging.unmap();
    this.#staging.give(staging);
    if (this.#error) throw this.#error;
    return bytes;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
