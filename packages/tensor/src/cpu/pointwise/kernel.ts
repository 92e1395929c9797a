import type { DType } from '../../dtype.ts';
import { linearize, type Expression, type Operand } from '../../expression/ast.ts';
import { I32, kernelModule, type FunctionBuilder } from '../wasm/index.ts';
import { castLanes, constantLanes, emitPrimitive, storeLanes, type Lanes4 } from './primitives.ts';

/** What is baked into a pointwise kernel; shapes and strides are parameters. */
export interface PointwiseLayout {
  readonly expressions: readonly Expression[];
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: DType;
    /** Whether the input walks the last axis (stride 1), or is constant on it (stride 0). */
    readonly isVector: boolean;
  }[];
  readonly outputs: readonly DType[];
  /** Inputs that are plain numbers. */
  readonly numbers: readonly string[];
  /** The dtype in which the formula computes. */
  readonly compute: DType;
  /** Axes of the loop nest before the last one. */
  readonly outerRank: number;
}

/** The parameters of a pointwise kernel, in order. */
function pointwiseWords(layout: PointwiseLayout): string[] {
  const { inputs, outputs, numbers, outerRank } = layout;
  const axes = Array.from({ length: outerRank }, (_, axis) => axis);
  return [
    ...inputs.map((_, i) => `input${i}`),
    ...outputs.map((_, i) => `output${i}`),
    ...axes.map((axis) => `length${axis}`),
    ...inputs.flatMap((_, i) => axes.map((axis) => `stride${i}_${axis}`)),
    ...numbers.map((name) => `number_${name}`),
    ...['rows', 'columns', 'rowsPerTask', 'columnsPerTask', 'columnTasks'],
  ];
}

/**
 * A module for a formula over broadcast inputs. A task computes some rows (the last axis) between
 * two columns. Where a row begins is derived from its number once for each run of the last outer
 * axis, and stepped within the run.
 */
export function pointwiseModule(layout: PointwiseLayout) {
  return kernelModule((f, args, task) => {
    const names = pointwiseWords(layout);
    const words = new Map(names.map((name, i) => [name, f.let(f.i32(args, 4 * i))]));
    const word = (name: string): I32 => words.get(name)!;
    const numbers = new Map(
      layout.numbers.map((name) => {
        const splat = f.splat(args, 4 * names.indexOf(`number_${name}`));
        return [name, f.let(layout.compute === 'f32' ? splat : splat.asI32x4())];
      }),
    );

    const firstColumn = f.let(task.rem(word('columnTasks')).mul(word('columnsPerTask')));
    const row = f.let(task.div(word('columnTasks')).mul(word('rowsPerTask')));
    const endColumn = f.let(firstColumn.add(word('columnsPerTask')).min(word('columns')));
    const endRow = f.let(row.add(word('rowsPerTask')).min(word('rows')));
    const columnBytes = f.let(firstColumn.shl(2));
    const inputs = layout.inputs.map(() => f.local(I32));
    const runEnd = f.local(I32);

    f.while(row.lt(endRow), () => {
      locateRow(f, layout, word, row, inputs, runEnd, endRow);
      layout.inputs.forEach(({ isVector }, i) => {
        if (isVector) f.set(inputs[i]!, inputs[i]!.add(columnBytes));
      });
      const start = f.let(row.mul(word('columns')).add(firstColumn).shl(2));
      const outputs = layout.outputs.map((_, i) => f.let(word(`output${i}`).add(start)));
      f.while(row.lt(runEnd), () => {
        computeRow(f, layout, inputs, outputs, f.let(endColumn.sub(firstColumn)), numbers);
        layout.inputs.forEach((_, i) => {
          const stride = layout.outerRank === 0 ? 0 : word(`stride${i}_${layout.outerRank - 1}`);
          f.set(inputs[i]!, inputs[i]!.add(stride));
        });
        for (const output of outputs) f.set(output, output.add(word('columns').shl(2)));
        f.set(row, row.add(1));
      });
    });
  });
}

/** Points `inputs` at a row's start; `runEnd` is the row up to which the last outer axis goes on. */
function locateRow(
  f: FunctionBuilder,
  layout: PointwiseLayout,
  word: (name: string) => I32,
  row: I32,
  inputs: readonly I32[],
  runEnd: I32,
  endRow: I32,
): void {
  inputs.forEach((pointer, i) => f.set(pointer, word(`input${i}`)));
  f.set(runEnd, endRow);
  const rest = f.let(row);
  for (let axis = layout.outerRank - 1; axis >= 0; axis--) {
    const length = word(`length${axis}`);
    const coordinate = f.let(axis === 0 ? rest : rest.rem(length));
    if (axis > 0) f.set(rest, rest.div(length));
    if (axis === layout.outerRank - 1) {
      f.set(runEnd, f.let(row.add(length.sub(coordinate))).min(endRow));
    }
    inputs.forEach((pointer, i) => {
      f.set(pointer, pointer.add(coordinate.mul(word(`stride${i}_${axis}`))));
    });
  }
}

/** One row: whole vectors, then up to three elements stored one by one. */
function computeRow(
  f: FunctionBuilder,
  layout: PointwiseLayout,
  inputs: readonly I32[],
  outputs: readonly I32[],
  columns: I32,
  numbers: ReadonlyMap<string, Lanes4>,
): void {
  const load = (i: number, offset: I32 | number): Lanes4 => {
    const { dtype, isVector } = layout.inputs[i]!;
    const pointer = inputs[i]!.add(offset);
    const lanes = isVector ? f.f32x4(pointer) : f.splat(pointer);
    return f.let(castLanes(dtype === 'f32' ? lanes : lanes.asI32x4(), dtype, layout.compute));
  };
  const constants = layout.inputs.map(({ isVector }, i) => (isVector ? undefined : load(i, 0)));
  const byteEnd = f.let(columns.shl(2));
  const offset = f.let(I32.of(0));
  f.while(offset.lt(byteEnd), () => {
    const values = new Map(numbers);
    layout.inputs.forEach(({ name }, i) => values.set(name, constants[i] ?? load(i, offset)));
    const results = emitExpressions(f, layout, values);
    const left = f.let(byteEnd.sub(offset));
    results.forEach((result, i) => storeLanes(f, f.let(outputs[i]!.add(offset)), left, result));
    f.set(offset, offset.add(16));
  });
}

/** The formulas on four lanes, cast to the outputs' dtypes. */
function emitExpressions(
  f: FunctionBuilder,
  layout: PointwiseLayout,
  inputs: ReadonlyMap<string, Lanes4>,
): Lanes4[] {
  const { steps, results } = linearize(layout.expressions);
  const values: Lanes4[] = [];
  const valueOf = (operand: Operand): Lanes4 => {
    if (operand.kind === 'constant') return constantLanes(layout.compute, operand.value);
    if (operand.kind === 'step') return values[operand.index]!;
    const value = inputs.get(operand.name);
    if (!value) throw new Error(`map: no input "${operand.name}"`);
    return value;
  };
  for (const { fn, args } of steps) {
    values.push(emitPrimitive(f, layout.compute, fn, args.map(valueOf)));
  }
  return results.map((result, i) => {
    return f.let(castLanes(valueOf(result), layout.compute, layout.outputs[i]!));
  });
}
