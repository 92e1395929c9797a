import type { DType } from '../dtype.ts';
import { identityOf, type Reduction } from '../reduction.ts';
import { exp, log } from './math.ts';
import { constantLanes, emitPrimitive, storeLanes, type Lanes4 } from './pointwise/primitives.ts';
import { F32x4, I32x4, type FunctionBuilder, type I32 } from './wasm/index.ts';

/** Emits the loops of one reduction. */
export class Reducer {
  readonly #f: FunctionBuilder;
  readonly #reduction: Reduction;
  readonly #dtype: DType;
  readonly #scale: F32x4;

  constructor(f: FunctionBuilder, reduction: Reduction, dtype: DType, scale: F32x4) {
    this.#f = f;
    this.#reduction = reduction;
    this.#dtype = dtype;
    this.#scale = scale;
  }

  /** One row of `count` elements to one result. */
  row(source: I32, count: I32, target: I32): void {
    const f = this.#f;
    const end = f.let(source.add(count.shl(2)));
    const first = this.#rowOf(this.#firstFold(), source, end, (x) => x);
    const result = this.#finish(first, (shift) =>
      this.#rowOf('add', source, end, (x) => exp(f, f.let((x as F32x4).sub(shift)))),
    );
    f.store(target, bitsOf(result).lane(0));
  }

  /** All lanes hold the fold of the row's elements. */
  #rowOf(fold: Fold, source: I32, end: I32, value: (x: Lanes4) => Lanes4): Lanes4 {
    const f = this.#f;
    const sums = [0, 1, 2, 3].map(() => f.let(this.#identity(fold)));
    const pointer = f.let(source);
    const step = (count: number): void => {
      for (let i = 0; i < count; i++) {
        f.set(sums[i]!, this.#combine(fold, sums[i]!, value(this.#load(pointer, 16 * i))));
      }
      f.set(pointer, pointer.add(16 * count));
    };
    f.while(pointer.add(64).le(end), () => step(4));
    f.while(pointer.add(16).le(end), () => step(1));
    // The last elements, with the identity in the lanes beyond the row's end
    f.if(pointer.lt(end), () => {
      const left = f.let(end.sub(pointer).shr(2).splat());
      const inside = f.let(I32x4.lanes([0, 1, 2, 3]).lt(left));
      const bits = bitsOf(value(this.#load(pointer, 0)));
      const masked = inside.selectI32x4(bits, bitsOf(this.#identity(fold)));
      f.set(sums[0]!, this.#combine(fold, sums[0]!, f.let(this.#fromBits(masked))));
    });
    const pairs = [0, 2].map((i) => f.let(this.#combine(fold, sums[i]!, sums[i + 1]!)));
    let total = f.let(this.#combine(fold, pairs[0]!, pairs[1]!));
    for (const lanes of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ] as const) {
      const turned = f.let(this.#fromBits(bitsOf(total).shuffle(bitsOf(total), lanes)));
      total = f.let(this.#combine(fold, total, turned));
    }
    return total;
  }

  /** `rows` rows, `step` bytes apart, of 4 × `vectors` columns; at most `bytes` bytes are written. */
  columns(source: I32, rows: I32, step: I32, target: I32, bytes: I32, vectors: number): void {
    const f = this.#f;
    const start = f.let(source);
    const first = this.#columnsOf(this.#firstFold(), start, rows, step, vectors, (x) => x);
    const results = first.map((extreme, v) =>
      this.#finish(extreme, (shift) => {
        const shifted = (x: Lanes4): Lanes4 => exp(f, f.let((x as F32x4).sub(shift)));
        return this.#columnsOf('add', f.let(start.add(16 * v)), rows, step, 1, shifted)[0]!;
      }),
    );
    results.forEach((result, v) => {
      if (vectors > 1) f.store(target, result, 16 * v);
      else storeLanes(f, f.let(target), f.let(bytes), result);
    });
  }

  #columnsOf(
    fold: Fold,
    start: I32,
    rows: I32,
    step: I32,
    vectors: number,
    value: (x: Lanes4) => Lanes4,
  ): Lanes4[] {
    const f = this.#f;
    const sums = Array.from({ length: vectors }, () => f.let(this.#identity(fold)));
    const pointer = f.let(start);
    f.loop(0, rows, 1, () => {
      sums.forEach((sum, v) => {
        f.set(sum, this.#combine(fold, sum, value(this.#load(pointer, 16 * v))));
      });
      f.set(pointer, pointer.add(step));
    });
    return sums;
  }

  /** The result from the first fold; `sumExp` adds up exp(x - shift). */
  #finish(first: Lanes4, sumExp: (shift: F32x4) => Lanes4): Lanes4 {
    const f = this.#f;
    if (this.#reduction === 'mean') return f.let((first as F32x4).mul(this.#scale));
    if (this.#reduction !== 'logSumExp') return first;
    // log Σ exp(x) = m + log Σ exp(x - m), m = max x; an infinite m is the result
    const maximum = first as F32x4;
    const isFinite = f.let(maximum.abs().le(3.4028234e38));
    const shift = f.let(isFinite.select(maximum, 0));
    const total = f.let(sumExp(shift) as F32x4);
    return f.let(isFinite.select(maximum.add(log(f, total)), maximum));
  }

  #firstFold(): Fold {
    if (this.#reduction === 'logSumExp') return 'max';
    return this.#reduction === 'sum' || this.#reduction === 'mean' ? 'add' : this.#reduction;
  }

  #identity(fold: Fold): Lanes4 {
    return constantLanes(this.#dtype, identityOf(fold === 'add' ? 'sum' : fold, this.#dtype));
  }

  #combine(fold: Fold, a: Lanes4, b: Lanes4): Lanes4 {
    return emitPrimitive(this.#f, this.#dtype, fold, [a, b]);
  }

  #load(pointer: I32, offset: number): Lanes4 {
    return this.#f.let(this.#fromBits(this.#f.i32x4(pointer, offset)));
  }

  #fromBits(bits: I32x4): Lanes4 {
    return this.#dtype === 'f32' ? bits.asF32x4() : bits;
  }
}

type Fold = 'add' | 'min' | 'max';

const bitsOf = (x: Lanes4): I32x4 => (x instanceof F32x4 ? x.asI32x4() : x);
