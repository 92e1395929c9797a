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
      this.#bySource.set(kernel.source, pipeline);
    }
    return pipeline;
  }

  #compile(kernel: Kernel): Pipeline {
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
    const layout = device.createBindGroupLayout({
      label: kernel.name,
      entries: hasUniforms ? [...storages, uniforms] : storages,
    });
    const module = device.createShaderModule({ label: kernel.name, code: kernel.source });
    void module.getCompilationInfo().then(({ messages }) => {
      const first = messages.find((message) => message.type === 'error');
      if (first) this.#onError(shaderError(kernel, first));
    });
    const pipeline = device.createComputePipeline({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    return { id: this.#bySource.size, kernel, pipeline, layout };
  }
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
