import type { Bound } from './bindings.ts';
import type { GpuStorage } from './buffer-pool.ts';
import type { Kernel } from './kernel.ts';
import type { Pipeline } from './pipelines.ts';
import type { Profiler } from './profiler.ts';
import type { UniformArena } from './uniform-arena.ts';

/** One dispatch with all that it binds, which can be encoded any number of times. */
export interface Command extends Bound {
  readonly pipeline: Pipeline;
  readonly workgroups: readonly [number, number, number];
  readonly storages: readonly GpuStorage[];
}

/** Encodes commands in their order, as one compute pass where nothing comes between, until they are submitted. */
export class CommandStream {
  readonly #gpu: GPUDevice;
  readonly #uniforms: UniformArena;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #profiler: Profiler | undefined;
  #submits = 0;

  /** @param uniforms parameters of the commands, uploaded before them */
  constructor(gpu: GPUDevice, uniforms: UniformArena) {
    this.#gpu = gpu;
    this.#uniforms = uniforms;
  }

  /** How many batches of commands were submitted so far. */
  get submits(): number {
    return this.#submits;
  }

  /** Ends the pass. @returns the encoder, for commands that are no dispatches */
  outsidePass(): GPUCommandEncoder {
    this.#endPass();
    return (this.#encoder ??= this.#gpu.createCommandEncoder());
  }

  encode({ pipeline, bindGroup, offsets, workgroups, storages }: Command): void {
    for (const storage of storages) storage.lastBatch = this.#submits;
    const pass = (this.#pass = this.#passFor(pipeline.kernel));
    pass.setPipeline(pipeline.pipeline);
    pass.setBindGroup(0, bindGroup, offsets);
    pass.dispatchWorkgroups(...workgroups);
  }

  /** Whether a command that uses the storage is not yet submitted. */
  isPending({ lastBatch }: GpuStorage): boolean {
    return this.#encoder !== undefined && lastBatch === this.#submits;
  }

  submit(): void {
    if (!this.#encoder) return;
    this.#endPass();
    this.#uniforms.upload();
    this.#gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#submits++;
  }

  /** Runs `body`; each command that it issues has a pass of its own, which `profiler` times. */
  profile(profiler: Profiler, body: () => void): void {
    this.#profiler = profiler;
    try {
      body();
    } finally {
      this.#endPass();
      this.#profiler = undefined;
    }
  }

  #passFor(kernel: Kernel): GPUComputePassEncoder {
    if (!this.#profiler) return this.#pass ?? this.outsidePass().beginComputePass();
    const timestampWrites = this.#profiler.next(kernel);
    return this.outsidePass().beginComputePass({ timestampWrites });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
