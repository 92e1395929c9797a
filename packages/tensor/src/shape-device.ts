import type { Device, Graph, MemoryReport, Storage } from './device.ts';
import { Liveness, type MemoryNeed } from './liveness.ts';
import { MemoryLedger } from './memory-ledger.ts';
import type { Op } from './op.ts';
import type { Tensor } from './tensor.ts';

/**
 * A device that computes nothing: it takes the ops that the WebGPU device takes, and counts their operations and the
 * memory of their tensors. So code of any size runs on it in moments, and tells what it would need. Kernels' own
 * temporaries and what a pool rounds up come on top.
 */
export class ShapeDevice implements Device {
  readonly kind = 'shapes';
  readonly name = 'shapes alone';
  #nextId = 0;
  #flops = 0;
  #calls = 0;
  readonly #ledger = new MemoryLedger();
  readonly #liveness = new Liveness();
  #largest = 0;

  /** Floating-point operations of products of matrices so far (see `Op.flops`). */
  get flops(): number {
    return this.#flops;
  }

  /** Ops so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Bytes of the largest tensor so far, which a GPU must be able to bind. */
  get largestBlock(): number {
    return this.#largest;
  }

  allocate(byteLength: number): Storage {
    this.#largest = Math.max(this.#largest, byteLength);
    const id = this.#nextId++;
    this.#ledger.take(id, byteLength, { fromPool: false });
    this.#liveness.allocate(id, byteLength);
    return { id, byteLength };
  }

  release({ id }: Storage): void {
    this.#ledger.give(id, { toPool: false });
    this.#liveness.release(id);
  }

  write(): void {}

  read(): Promise<ArrayBuffer> {
    return Promise.reject(
      new Error('a tensor on the device of shapes has no values: open a WebGPU or CPU device'),
    );
  }

  supports(op: Op<unknown>): boolean {
    return op.kernels?.webgpu !== undefined;
  }

  run<P>(op: Op<P>, inputs: readonly Tensor[], outputs: readonly Tensor[], params: P): void {
    this.#calls++;
    this.#flops += op.flops?.({ inputs, outputs, params }) ?? 0;
    this.#liveness.command([...inputs, ...outputs].map(({ storage }) => storage.id));
  }

  precompile(): Promise<void> {
    return Promise.resolve();
  }

  capture(body: () => void): Graph {
    const [calls, flops] = [this.#calls, this.#flops];
    body();
    const recorded = { calls: this.#calls - calls, flops: this.#flops - flops };
    return {
      commandCount: recorded.calls,
      replay: () => {
        this.#calls += recorded.calls;
        this.#flops += recorded.flops;
      },
      dispose: () => {},
    };
  }

  flush(): void {}

  synchronize(): Promise<void> {
    return Promise.resolve();
  }

  memory(): MemoryReport {
    return this.#ledger.report();
  }

  trim(): void {}

  /** What the ops so far need of memory, if each tensor goes right after its last use. */
  need(): MemoryNeed {
    return this.#liveness.need();
  }

  destroy(): void {}
}
