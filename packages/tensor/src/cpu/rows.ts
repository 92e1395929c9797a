import type { Storage } from '../device.ts';
import type { Tensor } from '../tensor.ts';
import { floatWord } from './command-list.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { storeLanes } from './pointwise/primitives.ts';
import { foldQuads, type Quad } from './quads.ts';
import { I32, kernelModule, readWords, type F32x4, type FunctionBuilder } from './wasm/index.ts';

const elementsPerTask = 8192;

/** Four neighbouring elements of the current row. */
export interface RowElements {
  load(binding: string): F32x4;
  store(binding: string, value: F32x4): void;
}

/** One row of float32 bindings, in a kernel that does some rows a task. */
export interface Row {
  readonly f: FunctionBuilder;
  /** A parameter of the kernel, in all lanes. */
  uniform(name: string): F32x4;
  /** Elements of the row. */
  readonly length: I32;
  /** Where the row begins in a binding. */
  pointer(binding: string): I32;
  /** Runs `body` over the row. */
  each(body: (elements: RowElements) => void): void;
  /**
   * The sum or maximum of `value` over the row, in all lanes; a maximum passes over NaN. What `value`
   * stores on the way is stored.
   */
  fold(kind: 'sum' | 'max', value: (elements: RowElements) => F32x4): F32x4;
}

export interface RowKernel {
  readonly name: string;
  readonly bindings: readonly string[];
  /** Float parameters. */
  readonly uniforms?: readonly string[];
  readonly body: (row: Row) => void;
}

/** A block and the number of elements from one row to the next; 0 for one row that all share. */
export type RowBinding = readonly [block: Tensor | Storage, rowStride: number];

/** Runs a row kernel over `count` rows of `length` elements; blocks and uniforms in the kernel's order. */
export function runRowKernel(
  run: CpuKernelRun,
  kernel: RowKernel,
  [count, length]: readonly [count: number, length: number],
  blocks: readonly RowBinding[],
  uniforms: readonly number[] = [],
): void {
  const rowsPerTask = Math.max(1, Math.floor(elementsPerTask / Math.max(1, length)));
  run.execute({
    key: `rows ${kernel.name}`,
    build: () => rowModule(kernel),
    words: [
      ...[count, length, rowsPerTask],
      ...blocks.flatMap(([block, stride]) => [pointerOf(block), 4 * stride]),
      ...uniforms.map(floatWord),
    ],
    taskCount: Math.ceil(count / rowsPerTask),
  });
}

function rowModule({ bindings, uniforms = [], body }: RowKernel) {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, ['count', 'length', 'rowsPerTask']);
    const wordAt = (i: number): I32 => f.i32(args, 4 * i);
    const strides = bindings.map((_, i) => f.let(wordAt(4 + 2 * i)));
    const row = f.let(task.mul(w.rowsPerTask));
    const end = f.let(row.add(w.rowsPerTask).min(w.count));
    const pointers = bindings.map((_, i) => f.let(wordAt(3 + 2 * i).add(row.mul(strides[i]!))));
    const splats = uniforms.map((_, i) => f.let(f.splat(args, 4 * (3 + 2 * bindings.length + i))));
    const pointerTo = (binding: string): I32 => pointers[bindings.indexOf(binding)]!;
    const bytes = f.let(w.length.shl(2));
    const elementsOf = ({ load, store }: Quad): RowElements => ({
      load: (binding) => load(pointerTo(binding)),
      store: (binding, value) => store(pointerTo(binding), value),
    });
    f.while(row.lt(end), () => {
      body({
        f,
        length: w.length,
        pointer: pointerTo,
        uniform: (name) => splats[uniforms.indexOf(name)]!,
        each: (visit) => eachVector(f, pointerTo, bytes, visit),
        fold: (kind, value) => {
          const fold = kind === 'max' ? 'maxNumber' : kind;
          return foldQuads(f, fold, bytes, (quad) => value(elementsOf(quad)));
        },
      });
      pointers.forEach((pointer, i) => f.set(pointer, pointer.add(strides[i]!)));
      f.set(row, row.add(1));
    });
  });
}

/** Unlike `eachQuad` it writes `visit` once, for whole vectors and for what is left: faster for short rows. */
function eachVector(
  f: FunctionBuilder,
  pointerTo: (binding: string) => I32,
  bytes: I32,
  visit: (elements: RowElements) => void,
): void {
  const offset = f.let(I32.of(0));
  f.while(offset.lt(bytes), () => {
    const left = f.let(bytes.sub(offset));
    visit({
      load: (binding) => f.let(f.f32x4(pointerTo(binding).add(offset))),
      store: (binding, value) =>
        storeLanes(f, f.let(pointerTo(binding).add(offset)), left, f.let(value)),
    });
    f.set(offset, offset.add(16));
  });
}
