import { multiplier0, multiplier1, rounds, weyl0, weyl1 } from '../random/philox.ts';
import { transposeLanes } from './lanes.ts';
import { I32x4, type F32x4, type FunctionBuilder, type I32 } from './wasm/index.ts';

/** What a random op's calls share: its state (a pointer to key and step, four words) and the call's number. */
export interface PhiloxStream {
  readonly state: I32;
  readonly call: I32;
}

/**
 * Philox 4x32-10 for four neighbouring counters at a time; see `philoxWords`.
 * @returns a function from the number of the first block to its sixteen words, in order
 */
export function philoxBlocks(
  f: FunctionBuilder,
  { state, call }: PhiloxStream,
): (block: I32) => I32x4[] {
  const word = (i: number): I32x4 => f.let(f.i32(state, 4 * i).splat());
  const [key0, key1, step0, step1] = [word(0), word(1), word(2), word(3)];
  const calls = f.let(call.splat());
  return (block) => {
    let c = [f.let(block.splat().add(I32x4.lanes([0, 1, 2, 3]))), calls, step0, step1];
    for (let round = 0; round < rounds; round++) {
      const [high0, low0] = wideProduct(f, c[0]!, multiplier0);
      const [high1, low1] = wideProduct(f, c[2]!, multiplier1);
      const k0 = key0.add(Math.imul(round, weyl0));
      const k1 = key1.add(Math.imul(round, weyl1));
      c = [f.let(high1.xor(c[1]!).xor(k0)), low1, f.let(high0.xor(c[3]!).xor(k1)), low0];
    }
    const rows = c.map((words) => words.asF32x4()) as [F32x4, F32x4, F32x4, F32x4];
    return transposeLanes(f, rows).map((words) => f.let(words.asI32x4()));
  };
}

/** Upper and lower words of a 32 × 32-bit product, lane by lane. */
function wideProduct(f: FunctionBuilder, x: I32x4, factor: number): [high: I32x4, low: I32x4] {
  const [front, back] = [
    f.let(x.wideMul(I32x4.of(factor), 'low')),
    f.let(x.wideMul(I32x4.of(factor), 'high')),
  ];
  return [f.let(front.shuffle(back, [1, 3, 5, 7])), f.let(front.shuffle(back, [0, 2, 4, 6]))];
}
