import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModuleBuilder, F32x4, I32, I32x4 } from '../../packages/tensor/src/cpu/wasm/index.ts';
import { signed, unsigned } from '../../packages/tensor/src/cpu/wasm/encoding.ts';

/** Instantiates a module over a fresh memory of one page. */
function instantiate(module: ModuleBuilder, shared = false) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared });
  const compiled = new WebAssembly.Module(module.build(shared));
  const instance = new WebAssembly.Instance(compiled, { env: { memory, scratch: 1024 } });
  const run = instance.exports.kernel as (args: number, task: number) => void;
  return { run, ints: new Int32Array(memory.buffer), floats: new Float32Array(memory.buffer) };
}

/** Sign-extends what LEB128 bytes encode. */
function decodeSigned(bytes: readonly number[]): number {
  const value = bytes.reduce((sum, byte, i) => sum | (BigInt(byte & 0x7f) << BigInt(7 * i)), 0n);
  return Number(BigInt.asIntN(7 * bytes.length, value));
}

describe('LEB128', () => {
  it('round-trips signed and unsigned integers', () => {
    fc.assert(
      fc.property(fc.integer(), (n) => {
        expect(decodeSigned(signed(n))).toBe(n);
        expect(unsigned(n).reduce((sum, byte, i) => sum + (byte & 0x7f) * 2 ** (7 * i), 0)).toBe(
          n >>> 0,
        );
      }),
    );
  });
});

describe('the WebAssembly builder', () => {
  it.each([true, false])('makes modules that engines accept (shared memory: %s)', (shared) => {
    const module = new ModuleBuilder();
    module.kernel((f, args, task) => f.store(args, task.add(f.i32(args))));
    const { run, ints } = instantiate(module, shared);
    ints[4] = 40;
    run(16, 2);
    expect(ints[4]).toBe(42);
  });

  it('computes i32 arithmetic as JavaScript does', () => {
    const operations: [(a: I32, b: I32) => I32, (a: number, b: number) => number][] = [
      [(a, b) => a.add(b), (a, b) => (a + b) | 0],
      [(a, b) => a.sub(b), (a, b) => (a - b) | 0],
      [(a, b) => a.mul(b), Math.imul],
      [(a, b) => a.div(b.or(1)), (a, b) => ((a >>> 0) / ((b | 1) >>> 0)) | 0],
      [(a, b) => a.rem(b.or(1)), (a, b) => ((a >>> 0) % ((b | 1) >>> 0)) | 0],
      [(a, b) => a.xor(b).shl(3), (a, b) => (a ^ b) << 3],
      [(a, b) => a.and(b).shr(5), (a, b) => ((a & b) >>> 5) | 0],
      [(a, b) => a.lt(b), (a, b) => Number(a >>> 0 < b >>> 0)],
      [(a, b) => a.ltSigned(b), (a, b) => Number(a < b)],
      [(a, b) => a.ge(b).select(I32, a, b), (a, b) => (a >>> 0 >= b >>> 0 ? a : b)],
    ];
    const module = new ModuleBuilder();
    module.kernel((f, args) => {
      const [a, b] = [f.let(f.i32(args)), f.let(f.i32(args, 4))];
      operations.forEach(([build], i) => f.store(args, build(a, b), 8 + 4 * i));
    });
    const { run, ints } = instantiate(module);
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        ints.set([a, b]);
        run(0, 0);
        operations.forEach(([, exact], i) => expect(ints[2 + i]).toBe(exact(a, b)));
      }),
    );
  });

  it('loops in steps and resumes with the tail', () => {
    const module = new ModuleBuilder();
    module.kernel((f, args, n) => {
      const [fours, ones] = [f.let(I32.of(0)), f.let(I32.of(0))];
      const i = f.loop(0, n, 4, () => f.set(fours, fours.add(1)));
      f.resume(i, n, 1, () => f.set(ones, ones.add(1)));
      f.store(args, fours);
      f.store(args, ones, 4);
    });
    const { run, ints } = instantiate(module);
    for (const n of [0, 1, 3, 4, 5, 11, 12]) {
      run(0, n);
      expect([ints[0], ints[1]]).toEqual([Math.floor(n / 4), n % 4]);
    }
  });

  it('shuffles, selects and multiplies lanes', () => {
    const module = new ModuleBuilder();
    module.kernel((f, args) => {
      const a = f.let(f.f32x4(args));
      f.store(args, a.shuffle(F32x4.of(9), [3, 4, 1, 0]), 16);
      f.store(args, a.gt(2.5).select(a, -1), 32);
      f.store(args, I32x4.lanes([-1, 2, 3, 4]).wideMul(I32x4.of(-1), 'low'), 48);
    });
    const { run, floats, ints } = instantiate(module);
    floats.set([1, 2, 3, 4]);
    run(0, 0);
    expect([...floats.slice(4, 8)]).toEqual([4, 9, 2, 1]);
    expect([...floats.slice(8, 12)]).toEqual([-1, -1, 3, 4]);
    // (2^32 - 1)² and 2 (2^32 - 1), low and high words
    expect([...ints.slice(12, 16)]).toEqual([1, -2, -2, 1]);
  });

  it('calls procedures with several types of parameters, and chooses branches', () => {
    const module = new ModuleBuilder();
    const put = module.procedure([I32, F32x4], (f, target, value) => f.store(target, value.mul(2)));
    module.kernel((f, args, task) => {
      f.if(
        task.eq(1),
        () => f.run(put(args, F32x4.of(3))),
        () => f.run(put(args, F32x4.of(5))),
      );
    });
    const { run, floats } = instantiate(module);
    run(0, 1);
    expect(floats[3]).toBe(6);
    run(0, 0);
    expect(floats[3]).toBe(10);
  });

  it('refuses to assign to an expression', () => {
    const module = new ModuleBuilder();
    expect(() => module.kernel((f, args) => f.set(args.add(1), args))).toThrow(
      'only a local variable',
    );
  });
});
