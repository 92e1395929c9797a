import type { Storage } from '../device.ts';
import { bytesPerElement, type DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { identityOf, type Reduction, type ReductionShape } from '../reduction.ts';
import { floatWord } from './command-list.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { exp, log } from './math.ts';
import { constantLanes, emitPrimitive, storeLanes, type Lanes4 } from './pointwise/primitives.ts';
import { F32x4, I32, I32x4, ModuleBuilder, readWords, type FunctionBuilder } from './wasm/index.ts';

/** Elements of a row, or rows of a column, that are added up at a stretch; longer ones take a second pass. */
const rowChunk = 4096;
const columnChunk = 256;
const elementsPerTask = 32768;
const columnsPerTask = 4096;

/**
 * Reduces the middle axis of [outer, length, inner]. Long axes are cut into chunks whose results are reduced
 * again: the order of additions follows from the shape alone, and rounding errors stay small.
 * @param count elements behind one output over all passes, for the mean
 */
export function reduceMiddleAxis(
  run: CpuKernelRun,
  reduction: Reduction,
  dtype: DType,
  { outer, length, inner }: ReductionShape,
  input: Tensor | Storage,
  output: Tensor | Storage,
  count = length,
): void {
  const chunk = inner === 1 ? rowChunk : columnChunk;
  const chunks = Math.max(1, Math.ceil(length / chunk));
  const isLast = chunks === 1;
  const target = isLast ? output : run.temporary(outer * chunks * inner * bytesPerElement);
  const kind = reduction === 'mean' && !isLast ? 'sum' : reduction;
  const groups = outer * chunks;
  const perGroup = Math.max(1, Math.min(length, chunk)) * Math.min(inner, columnsPerTask);
  const groupsPerTask = Math.max(1, Math.floor(elementsPerTask / perGroup));
  const columnTasks = Math.ceil(inner / columnsPerTask);
  const [x, y] = [pointerOf(input), pointerOf(target)];
  const sizes = [groups, length, chunk, chunks, inner, groupsPerTask, columnTasks];
  run.execute({
    key: `reduce ${kind} ${dtype} ${inner === 1 ? 'rows' : 'columns'}`,
    build: () => reduceModule(kind, dtype, inner === 1),
    words: [x, y, ...sizes, floatWord(1 / count)],
    taskCount: Math.ceil(groups / groupsPerTask) * columnTasks,
  });
  if (isLast) return;
  const rest = { outer, length: chunks, inner };
  reduceMiddleAxis(run, reduction, dtype, rest, target, output, count);
}

// prettier-ignore
const words = [
  'x', 'y', 'groups', 'length', 'chunk', 'chunks', 'inner', 'groupsPerTask', 'columnTasks', 'scale',
] as const;

/** A task reduces some groups: a group is one chunk of one outer index, and gives `inner` results. */
function reduceModule(reduction: Reduction, dtype: DType, isRows: boolean): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel((f, args, task) => {
    const w = readWords(f, args, words);
    const group = f.let(task.div(w.columnTasks).mul(w.groupsPerTask));
    const endGroup = f.let(group.add(w.groupsPerTask).min(w.groups));
    const firstColumn = f.let(task.rem(w.columnTasks).mul(columnsPerTask));
    const endColumn = f.let(firstColumn.add(columnsPerTask).min(w.inner));
    const reducer = new Reducer(
      f,
      reduction,
      dtype,
      f.let(f.splat(args, 4 * words.indexOf('scale'))),
    );
    f.while(group.lt(endGroup), () => {
      const begin = f.let(group.rem(w.chunks).mul(w.chunk));
      const rows = f.let(w.chunk.min(w.length.sub(begin)));
      const first = f.let(group.div(w.chunks).mul(w.length).add(begin).mul(w.inner).shl(2));
      const source = f.let(w.x.add(first));
      const target = f.let(w.y.add(group.mul(w.inner).shl(2)));
      if (isRows) {
        reducer.row(source, rows, target);
      } else {
        const column = f.let(firstColumn.shl(2));
        const end = f.let(endColumn.shl(2));
        const step = f.let(w.inner.shl(2));
        const sweep = (vectors: number): void =>
          reducer.columns(
            source.add(column),
            rows,
            step,
            target.add(column),
            end.sub(column),
            vectors,
          );
        f.while(column.add(64).le(end), () => {
          sweep(4);
          f.set(column, column.add(64));
        });
        f.while(column.lt(end), () => {
          sweep(1);
          f.set(column, column.add(16));
        });
      }
      f.set(group, group.add(1));
    });
  });
  return module;
}

/** Emits the loops of one reduction. */
class Reducer {
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
