import type { Storage } from '../device.ts';
import { roundUp } from '../round-up.ts';
import { Tensor } from '../tensor.ts';
import type { GpuStorage } from './buffer-pool.ts';
import type { Kernel } from './kernel.ts';
import type { Pipeline } from './pipelines.ts';
import type { UniformArena, UniformPage, UniformPlace } from './uniform-arena.ts';

/** What a dispatch binds. */
export interface Bound {
  readonly bindGroup: GPUBindGroup;
  /** Dynamic offset of the parameters; empty without parameters. */
  readonly offsets: readonly number[];
}

const maxCachedGroups = 16384;

/** A block of parameters, in whole vec4s. */
const uniformBytes = ({ uniforms }: Kernel): number =>
  roundUp(4 * Object.keys(uniforms).length, 16);

/** Bind groups and parameter blocks, each made once. */
export class Bindings {
  readonly #gpu: GPUDevice;
  readonly #uniforms: UniformArena;
  readonly #groups = new Map<string, GPUBindGroup>();
  #created = 0;

  constructor(gpu: GPUDevice, uniforms: UniformArena) {
    this.#gpu = gpu;
    this.#uniforms = uniforms;
  }

  /** How many bind groups were made so far. */
  get created(): number {
    return this.#created;
  }

  /** Forgets bind groups, which hold on to their buffers. */
  clear(): void {
    this.#groups.clear();
  }

  /** @param uniforms the values of the kernel's parameters, in their order */
  bind(
    pipeline: Pipeline,
    buffers: readonly (Tensor | Storage)[],
    uniforms: readonly number[],
  ): Bound {
    const place = uniforms.length ? this.#placeUniforms(pipeline.kernel, uniforms) : undefined;
    const bindGroup = this.#group(pipeline, buffers, place?.page);
    return { bindGroup, offsets: place ? [place.offset] : [] };
  }

  #placeUniforms(kernel: Kernel, values: readonly number[]): UniformPlace {
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
    return this.#uniforms.place(key, write, uniformBytes(kernel));
  }

  #group(
    pipeline: Pipeline,
    buffers: readonly (Tensor | Storage)[],
    page: UniformPage | undefined,
  ): GPUBindGroup {
    const bound = buffers.map((buffer) => {
      const isTensor = buffer instanceof Tensor;
      const storage = (isTensor ? buffer.storage : buffer) as GpuStorage;
      const offset = isTensor ? buffer.byteOffset : 0;
      // Bindings reach to a whole vec4; storage is padded, so that its tail is memory of its own.
      const size = isTensor ? Math.max(16, roundUp(buffer.byteLength, 16)) : storage.byteLength;
      return { storage, offset, size };
    });
    const key =
      `${pipeline.id}/${page?.id ?? ''}` +
      bound.map(({ storage, offset, size }) => `,${storage.id}:${offset}:${size}`).join('');
    let group = this.#groups.get(key);
    if (!group) {
      const entries: GPUBindGroupEntry[] = bound.map(({ storage, offset, size }, binding) => ({
        binding,
        resource: { buffer: storage.buffer, offset, size },
      }));
      if (page) {
        entries.push({
          binding: bound.length,
          resource: { buffer: page.buffer, offset: 0, size: uniformBytes(pipeline.kernel) },
        });
      }
      group = this.#gpu.createBindGroup({ layout: pipeline.layout, entries });
      this.#created++;
      // A program whose shapes never repeat must not hoard bind groups; captured steps hold their own.
      if (this.#groups.size >= maxCachedGroups) this.#groups.clear();
      this.#groups.set(key, group);
    }
    return group;
  }
}
