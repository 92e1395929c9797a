import { ModuleBuilder } from '../packages/tensor/src/cpu/wasm/index.ts';

/**
 * The ceiling of 128-bit SIMD: chains of multiply-adds in registers, independent of each other and of memory.
 * Arguments of the kernel: rounds, a float that is start and factor, the address of four floats a task.
 */
export function multiplyAddLoop(chains: number): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel((f, args, task) => {
    const factor = f.let(f.splat(args, 4));
    const sums = Array.from({ length: chains }, () => f.let(f.splat(args, 4)));
    f.loop(0, f.let(f.i32(args)), 1, () => {
      for (const sum of sums) f.set(sum, sum.madd(factor, factor));
    });
    const total = sums.reduce((a, b) => a.add(b));
    f.store(f.let(f.i32(args, 8).add(task.shl(4))), total);
  });
  return module;
}
