import type { CompileProgress, Storage } from '../device.ts';
import { Tensor } from '../tensor.ts';
import { Bindings } from './bindings.ts';
import type { GpuStorage } from './buffer-pool.ts';
import type { Command, CommandStream } from './command-stream.ts';
import type { DeferredError } from './deferred-error.ts';
import type { Kernel } from './kernel.ts';
import { PipelineCache } from './pipelines.ts';
import type { UniformArena } from './uniform-arena.ts';

/**
 * Makes commands of dispatches and encodes them. While a capture records, it keeps them too; while a body only shows
 * which kernels it needs, it makes none.
 */
export class Dispatcher {
  readonly pipelines: PipelineCache;
  readonly bindings: Bindings;
  readonly #stream: CommandStream;
  #recording: Command[] | undefined;
  #needed: Set<Kernel> | undefined;

  /** @param parts.error learns of shaders that do not compile */
  constructor(
    gpu: GPUDevice,
    parts: { stream: CommandStream; uniforms: UniformArena; error: DeferredError },
  ) {
    this.pipelines = new PipelineCache(gpu, (error) => parts.error.note(error));
    this.bindings = new Bindings(gpu, parts.uniforms);
    this.#stream = parts.stream;
  }

  /** What the body that runs now is run for, if not for its effect alone. */
  get purpose(): 'capture' | 'precompile' | undefined {
    if (this.#needed) return 'precompile';
    return this.#recording && 'capture';
  }

  /** See `KernelRun.dispatch`. */
  dispatch(
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
    const pipeline = this.pipelines.get(kernel);
    const command: Command = {
      pipeline,
      ...this.bindings.bind(pipeline, buffers, uniforms),
      workgroups: [x, y, z],
      storages: buffers.map(
        (buffer) => (buffer instanceof Tensor ? buffer.storage : buffer) as GpuStorage,
      ),
    };
    this.#recording?.push(command);
    this.#stream.encode(command);
  }

  /** Runs `body`. @returns the commands that it issues */
  record(body: () => void): Command[] {
    const commands: Command[] = (this.#recording = []);
    try {
      body();
    } finally {
      this.#recording = undefined;
    }
    return commands;
  }

  /** Compiles the kernels that `body` needs; see `Device.precompile`. */
  precompile(body: () => void, onProgress?: CompileProgress): Promise<void> {
    const kernels = (this.#needed = new Set<Kernel>());
    try {
      body();
    } finally {
      this.#needed = undefined;
    }
    return this.pipelines.compile(kernels, onProgress);
  }
}
