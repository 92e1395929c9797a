import type { Device, Graph, MemoryReport, Storage } from '../device.ts';
import type { Op } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { BufferPool, type GpuStorage } from './buffer-pool.ts';
import type { Kernel, KernelRun, WebGpuCapabilities } from './kernel.ts';
import { PipelineCache, type Pipeline } from './pipelines.ts';
import { StagingRing } from './staging.ts';
import { Profiler, type DispatchTime } from './profiler.ts';
import { UniformArena } from './uniform-arena.ts';

interface Command {
  readonly pipeline: Pipeline;
  readonly bindGroup: GPUBindGroup;
  /** Dynamic offset of the parameters; empty without parameters. */
  readonly offsets: readonly number[];
  readonly workgroups: readonly [number, number, number];
  readonly storages: readonly GpuStorage[];
}

/** A captured graph that knows the kernel of each of its commands. */
export interface WebGpuGraph extends Graph {
  readonly kernels: readonly Kernel[];
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

const maxCachedBindGroups = 16384;

/**
 * Runs ops as compute dispatches. Dispatches collect in one compute pass; they are submitted at a read-back,
 * at `flush`, or when the host writes to memory that a collected dispatch uses.
 */
export class WebGpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly name: string;
  readonly gpu: GPUDevice;
  readonly capabilities: WebGpuCapabilities;
  readonly #pool: BufferPool;
  readonly #pipelines: PipelineCache;
  readonly #uniforms: UniformArena;
  readonly #staging: StagingRing;
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #batch = 0;
  #recording: Command[] | undefined;
  #profiler: Profiler | undefined;
  #error: Error | undefined;
  #submits = 0;
  #bindGroupsCreated = 0;

  constructor(gpu: GPUDevice, options: { name: string; capabilities: WebGpuCapabilities }) {
    this.gpu = gpu;
    this.name = options.name;
    this.capabilities = options.capabilities;
    this.#pool = new BufferPool(gpu);
    this.#pipelines = new PipelineCache(gpu, (error) => (this.#error ??= error));
    this.#uniforms = new UniformArena(gpu);
    this.#staging = new StagingRing(gpu);
    gpu.addEventListener('uncapturederror', (event) => {
      this.#error ??= new Error(`WebGPU: ${event.error.message}`);
    });
    void gpu.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.#error ??= new Error(`the GPU device was lost: ${message}`);
    });
  }

  allocate(byteLength: number): Storage {
    return this.#pool.allocate(byteLength);
  }

  release(storage: Storage): void {
    this.#pool.release(storage as GpuStorage);
  }

  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    if (this.#recording) {
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
    const staging = this.#staging.take(byteLength);
    this.#endPass();
    this.#encoder ??= this.gpu.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(
      (storage as GpuStorage).buffer,
      byteOffset,
      staging,
      0,
      byteLength,
    );
    this.flush();
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, byteLength);
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

  supports(op: Op<unknown>): boolean {
    return op.kernels?.webgpu !== undefined;
  }

  run<P>(op: Op<P>, inputs: readonly Tensor[], outputs: readonly Tensor[], params: P): void {
    const kernel = op.kernels?.webgpu;
    if (!kernel) throw new Error(`${op.name}: no WebGPU kernel`);
    const temporaries: Storage[] = [];
    const run: KernelRun = {
      capabilities: this.capabilities,
      dispatch: (...args) => this.#dispatch(...args),
      temporary: (byteLength) => {
        const storage = this.allocate(byteLength);
        temporaries.push(storage);
        return storage;
      },
    };
    kernel(run, { inputs, outputs, params });
    for (const storage of temporaries) this.release(storage);
  }

  capture(body: () => void): WebGpuGraph {
    if (this.#recording) throw new Error('capture: captures do not nest');
    const commands: Command[] = (this.#recording = []);
    const isolated = this.#pool.isolate();
    let owned: GpuStorage[] = [];
    try {
      body();
    } finally {
      this.#recording = undefined;
      owned = isolated.restore();
    }
    return {
      commandCount: commands.length,
      kernels: commands.map(({ pipeline }) => pipeline.kernel),
      replay: () => commands.forEach((command) => this.#encode(command)),
      dispose: () => {
        for (const storage of owned) this.#pool.release(storage);
        owned = [];
        commands.length = 0;
      },
    };
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
    await this.gpu.queue.onSubmittedWorkDone();
    if (this.#error) throw this.#error;
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
    this.flush();
    return profiler.read();
  }

  memory(): MemoryReport {
    return this.#pool.report();
  }

  /** Counts since the start, for tests of the steady state. */
  statistics(): DeviceStatistics {
    return {
      submits: this.#submits,
      pipelines: this.#pipelines.size,
      bindGroups: this.#bindGroupsCreated,
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
    const pipeline = this.#pipelines.get(kernel);
    const place = uniforms.length ? this.#placeUniforms(kernel, uniforms) : undefined;
    const command: Command = {
      pipeline,
      bindGroup: this.#bindGroup(pipeline, buffers, place?.page),
      offsets: place ? [place.offset] : [],
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

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  #placeUniforms(kernel: Kernel, values: readonly number[]): { page: number; offset: number } {
    const types = Object.values(kernel.uniforms);
    if (types.length !== values.length) {
      throw new Error(
        `kernel ${kernel.name}: ${values.length} uniforms given, ${types.length} declared`,
      );
    }
    // -0 and 0 are different parameters with one text.
    const key = types
      .map((type, i) => (type === 'f32' ? 'f' : '') + (Object.is(values[i], -0) ? '-0' : values[i]))
      .join();
    const write = (view: DataView) =>
      types.forEach((type, i) => {
        const value = values[i]!;
        if (type === 'f32') view.setFloat32(i * 4, value, true);
        else if (type === 'i32') view.setInt32(i * 4, value, true);
        else view.setUint32(i * 4, value, true);
      });
    return this.#uniforms.place(key, write, Math.ceil(types.length / 4) * 16);
  }

  #bindGroup(
    pipeline: Pipeline,
    buffers: readonly (Tensor | Storage)[],
    page: number | undefined,
  ): GPUBindGroup {
    const bound = buffers.map((buffer) => {
      const isTensor = buffer instanceof Tensor;
      const storage = (isTensor ? buffer.storage : buffer) as GpuStorage;
      const offset = isTensor ? buffer.byteOffset : 0;
      // Bindings reach to a whole vec4; storage is padded, so that its tail is memory of its own.
      const size = isTensor
        ? Math.max(16, Math.ceil(buffer.byteLength / 16) * 16)
        : storage.byteLength;
      return { storage, offset, size };
    });
    const uniformSize = Math.ceil(Object.keys(pipeline.kernel.uniforms).length / 4) * 16;
    const key =
      `${pipeline.id}/${page ?? ''}` +
      bound.map(({ storage, offset, size }) => `,${storage.id}:${offset}:${size}`).join('');
    let group = this.#bindGroups.get(key);
    if (!group) {
      const entries: GPUBindGroupEntry[] = bound.map(({ storage, offset, size }, binding) => ({
        binding,
        resource: { buffer: storage.buffer, offset, size },
      }));
      if (page !== undefined) {
        entries.push({
          binding: bound.length,
          resource: { buffer: this.#uniforms.page(page), offset: 0, size: uniformSize },
        });
      }
      group = this.gpu.createBindGroup({ layout: pipeline.layout, entries });
      this.#bindGroupsCreated++;
      // A program whose shapes never repeat must not hoard bind groups; captured steps hold their own.
      if (this.#bindGroups.size >= maxCachedBindGroups) this.#bindGroups.clear();
      this.#bindGroups.set(key, group);
    }
    return group;
  }
}
