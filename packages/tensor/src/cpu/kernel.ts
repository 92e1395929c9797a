import type { Storage } from '../device.ts';
import type { TensorCall } from '../op.ts';
import { Tensor } from '../tensor.ts';
import type { ModuleBuilder } from './wasm/index.ts';

/** A block of the CPU device's memory. */
export interface CpuStorage extends Storage {
  readonly pointer: number;
}

/** Where a tensor or a block begins in the device's memory. */
export function pointerOf(block: Tensor | Storage): number {
  if (!(block instanceof Tensor)) return (block as CpuStorage).pointer;
  return (block.storage as CpuStorage).pointer + block.byteOffset;
}

/** One kernel's run: which kernel, its parameters, how many tasks. */
export interface KernelPlan {
  /** Names the kernel; equal keys mean equal modules. */
  readonly key: string;
  /** Writes the kernel, at its first use. */
  readonly build: () => ModuleBuilder;
  /** The parameters, 32 bits each; `floatWord` makes one of a float. */
  readonly words: readonly number[];
  /** Tasks run in any order, on any thread. */
  readonly taskCount: number;
}

/** Issues the kernels of one op on the CPU device. */
export interface CpuKernelRun {
  execute(plan: KernelPlan): void;
  /** Scratch memory for this op alone. */
  temporary(byteLength: number): Storage;
}

/** Runs an op on the CPU device. */
export type CpuKernel<P> = {
  run(run: CpuKernelRun, call: TensorCall<P>): void;
}['run'];
