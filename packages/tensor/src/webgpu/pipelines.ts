import type { CompileProgress } from '../device.ts';
import type { Kernel } from './kernel.ts';

export interface Pipeline {
  readonly id: number;
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiled kernels, by kernel object and by source text. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #onError: (error: Error) => void;
  readonly #byKernel = new Map<Kernel, Pipeline>();
  readonly #bySource = new Map<string, Pipeline>();

  /** @param onError hears of shaders that do not compile, which WebGPU reports later */
  constructor(device: GPUDevice, onError: (error: Error) => void) {
    this.#device = device;
    this.#onError = onError;
  }

  get size(): number {
    return this.#bySource.size;
  }

  get(kernel: Kernel): Pipeline {
    let pipeline = this.#byKernel.get(kernel);
    if (!pipeline) {
      pipeline = this.#bySource.get(kernel.source) ?? this.#compile(kernel);
      this.#byKernel.set(kernel, pipeline);
    }
    return pipeline;
  }

  /**
   * Compiles kernels beside each other, on the driver's threads.
   * @throws Error with the source line of a shader that does not compile
   */
  async compile(kernels: Iterable<Kernel>, onProgress?: CompileProgress): Promise<void> {
    const missing = new Map<string, Kernel>();
    for (const kernel of kernels) {
      if (!this.#bySource.has(kernel.source)) missing.set(kernel.source, kernel);
    }
    let done = 0;
    const compileOne = async (kernel: Kernel) => {
      const { layout, module, descriptor } = this.#describe(kernel);
      let pipeline: GPUComputePipeline;
      try {
        pipeline = await this.#device.createComputePipelineAsync(descriptor);
      } catch (error) {
        throw (await compilationError(kernel, module)) ?? error;
      }
      this.#add(kernel, pipeline, layout);
      onProgress?.(++done, missing.size);
    };
    await Promise.all([...missing.values()].map(compileOne));
  }

  #compile(kernel: Kernel): Pipeline {
    const { layout, module, descriptor } = this.#describe(kernel);
    void compilationError(kernel, module).then((error) => {
      if (error) this.#onError(error);
    });
    return this.#add(kernel, this.#device.createComputePipeline(descriptor), layout);
  }

  /** Another compilation of the same source may have come first; its pipeline has bind groups already. */
  #add(kernel: Kernel, pipeline: GPUComputePipeline, layout: GPUBindGroupLayout): Pipeline {
    const known = this.#bySource.get(kernel.source);
    if (known) return known;
    const added = { id: this.#bySource.size, kernel, pipeline, layout };
    this.#bySource.set(kernel.source, added);
    return added;
  }

  #describe(kernel: Kernel) {
    const device = this.#device;
    const storages: GPUBindGroupLayoutEntry[] = Object.values(kernel.bindings).map(
      (type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: type.startsWith('read ') ? 'read-only-storage' : 'storage' },
      }),
    );
    const uniforms: GPUBindGroupLayoutEntry = {
      binding: storages.length,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: 'uniform', hasDynamicOffset: true },
    };
    const hasUniforms = Object.keys(kernel.uniforms).length > 0;
    const label = kernel.name;
    const layout = device.createBindGroupLayout({
      label,
      entries: hasUniforms ? [...storages, uniforms] : storages,
    });
    const module = device.createShaderModule({ label, code: kernel.source });
    const descriptor: GPUComputePipelineDescriptor = {
      label,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    };
    return { layout, module, descriptor };
  }
}

/** What is wrong with a shader, if something is. */
async function compilationError(
  kernel: Kernel,
  module: GPUShaderModule,
): Promise<Error | undefined> {
  const { messages } = await module.getCompilationInfo();
  const first = messages.find(({ type }) => type === 'error');
  return first && shaderError(kernel, first);
}

/** Shows the source line that does not compile, with its neighbours. */
function shaderError(kernel: Kernel, message: GPUCompilationMessage): Error {
  const lines = kernel.source.split('\n');
  const at = message.lineNum;
  const shown = lines.slice(Math.max(0, at - 3), at + 2).map((line, i) => {
    const number = Math.max(0, at - 3) + i + 1;
    return `${number === at ? '>' : ' '} ${String(number).padStart(4)} | ${line}`;
  });
  return new Error(`kernel ${kernel.name}, line ${at}: ${message.message}\n${shown.join('\n')}`);
}
