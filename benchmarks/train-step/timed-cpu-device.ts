import { CpuDevice, type Graph, type Op, type Tensor } from '@farmer/tensor';
import type { Part } from './families.ts';

/**
 * The CPU device with the time of each op. A captured step runs op by op again at each replay, so that each can be
 * timed; that costs a few microseconds an op.
 */
export class TimedCpuDevice extends CpuDevice {
  #parts: Part[] = [];

  override run<P>(
    op: Op<P>,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    params: P,
  ): void {
    this.flush();
    const start = performance.now();
    super.run(op, inputs, outputs, params);
    this.flush();
    this.#parts.push({ name: op.name, milliseconds: performance.now() - start });
  }

  override capture(body: () => void): Graph {
    body();
    return { commandCount: 0, replay: body, dispose: () => {} };
  }

  /** The ops that ran since the last call. */
  takeParts(): Part[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}
