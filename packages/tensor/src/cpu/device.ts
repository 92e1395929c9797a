import { captureMemory, guardedGraph, hostWriteError } from '../capture.ts';
import type { Device, Graph, MemoryReport, Storage } from '../device.ts';
import { toTypedArray, viewAs } from '../dtype.ts';
import { withMemoryTag } from '../memory-ledger.ts';
import type { Op } from '../op.ts';
import { ndarray } from '../reference.ts';
import { withTemporaries } from '../temporaries.ts';
import type { Tensor } from '../tensor.ts';
import { CommandList, type Command } from './command-list.ts';
import { pointerOf, type CpuStorage, type KernelPlan } from './kernel.ts';
import { ThreadPool, type PoolOptions } from './pool.ts';
import { StepList, type Step } from './step-list.ts';

const pendingBytes = 64 * 1024;

/**
 * Runs ops as generated WebAssembly kernels on the CPU's threads. Commands collect, and run when the host
 * looks at memory, at `flush`, or when their list is full. An op without a kernel runs its reference.
 */
export class CpuDevice implements Device {
  readonly kind = 'cpu';
  readonly name: string;
  readonly #pool: ThreadPool;
  readonly #pendingPointer: number;
  #pending: Command[] = [];
  #pendingSize = 0;
  #recording: Step[] | undefined;
  #nextId = 0;

  constructor(options: PoolOptions = {}) {
    const pool = (this.#pool = new ThreadPool(options));
    const { threads } = pool;
    this.name = `WebAssembly SIMD (${threads} ${threads === 1 ? 'thread' : 'threads'})`;
    // Memory of its own: a pending command may still read a block that was already released.
    this.#pendingPointer = withMemoryTag('kernels', () => pool.memory.allocate(pendingBytes));
  }

  allocate(byteLength: number): Storage {
    const pointer = this.#pool.memory.allocate(byteLength);
    const size = this.#pool.memory.sizeOf(pointer);
    const storage: CpuStorage = { id: this.#nextId++, byteLength: size, pointer };
    return storage;
  }

  release(storage: Storage): void {
    this.#pool.memory.release((storage as CpuStorage).pointer);
  }

  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    if (this.#recording) throw hostWriteError('capture');
    this.flush();
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#bytes().set(bytes, (storage as CpuStorage).pointer + byteOffset);
  }

  read(storage: Storage, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    this.flush();
    return Promise.resolve(this.#copy((storage as CpuStorage).pointer + byteOffset, byteLength));
  }

  supports(op: Op<unknown>): boolean {
    return op.kernels?.cpu !== undefined;
  }

  run<P>(op: Op<P>, inputs: readonly Tensor[], outputs: readonly Tensor[], params: P): void {
    const kernel = op.kernels?.cpu;
    if (!kernel) {
      this.#runReference(op, inputs, outputs, params);
      return;
    }
    withTemporaries(this, (temporary) => {
      kernel({ execute: (plan) => this.#execute(plan), temporary }, { inputs, outputs, params });
    });
  }

  /** Does nothing: a kernel is there within a millisecond. */
  precompile(): Promise<void> {
    return Promise.resolve();
  }

  capture(body: () => void): Graph {
    if (this.#recording) throw new Error('capture: captures do not nest');
    const steps: Step[] = (this.#recording = []);
    const release = captureMemory(this.#pool.memory, () => {
      try {
        body();
        this.flush();
      } finally {
        this.#recording = undefined;
      }
    });
    const list = new StepList(this.#pool, steps);
    return guardedGraph({
      commandCount: steps.length,
      isCapturing: () => this.#recording !== undefined,
      replay: () => {
        this.flush();
        list.run();
      },
      dispose: () => {
        this.flush();
        list.dispose();
        release();
      },
    });
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const list = new CommandList(this.#pool, this.#pending, this.#pendingPointer);
    this.#pending = [];
    this.#pendingSize = 0;
    list.run();
  }

  synchronize(): Promise<void> {
    this.flush();
    return Promise.resolve();
  }

  memory(): MemoryReport {
    return this.#pool.memory.report();
  }

  trim(): void {
    // A kernel's code is written at once, where a pending command may still write.
    this.flush();
    this.#pool.memory.trim();
  }

  destroy(): void {
    this.#pool.destroy();
  }

  #execute({ key, build, words, taskCount }: KernelPlan): void {
    if (taskCount === 0) return;
    const command = { kernel: this.#pool.kernel(key, build), words, taskCount };
    const size = CommandList.byteLength([command]);
    if (this.#pendingSize + size > pendingBytes) this.flush();
    this.#pending.push(command);
    this.#pendingSize += size;
    this.#recording?.push(command);
  }

  #runReference<P>(
    op: Op<P>,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    params: P,
  ): void {
    const describe = (tensor: Tensor) => {
      const { shape, dtype, byteLength } = tensor;
      return { shape, dtype, byteLength, pointer: pointerOf(tensor) };
    };
    const sources = inputs.map(describe);
    const targets = [...outputs, ...(op.mutates ?? []).map((i) => inputs[i]!)].map(describe);
    const step = (): void => {
      const arrays = sources.map(({ shape, dtype, pointer, byteLength }) =>
        ndarray(shape, viewAs(dtype, this.#copy(pointer, byteLength)), dtype),
      );
      op.reference(arrays, params).forEach(({ data }, i) => {
        const { dtype, pointer } = targets[i]!;
        this.#bytes().set(new Uint8Array(toTypedArray(dtype, data).buffer), pointer);
      });
    };
    this.flush();
    step();
    this.#recording?.push(step);
  }

  #bytes(): Uint8Array {
    const { buffer } = this.#pool.words();
    return new Uint8Array(buffer);
  }

  #copy(pointer: number, byteLength: number): ArrayBuffer {
    return this.#bytes().slice(pointer, pointer + byteLength).buffer;
  }
}
