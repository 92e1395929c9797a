import type { LoopNest } from '../../broadcast.ts';
import type { DType } from '../../dtype.ts';
import type { Expression } from '../../expression/ast.ts';
import { roundUp } from '../../round-up.ts';
import { sizeOf } from '../../shape.ts';
import { floatWord } from '../command-list.ts';
import type { KernelPlan } from '../kernel.ts';
import { pointwiseModule, type PointwiseLayout } from './kernel.ts';

/** Formulas over inputs that lie at byte pointers, broadcast as the loop nest says. */
export interface PointwiseProblem {
  readonly expressions: readonly Expression[];
  /** Strides of the nest's operands are the inputs', in order. */
  readonly nest: LoopNest;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: DType;
    readonly pointer: number;
  }[];
  /** One dense output for each expression. */
  readonly outputs: readonly { readonly dtype: DType; readonly pointer: number }[];
  readonly numbers: Readonly<Record<string, number>>;
  readonly compute: DType;
}

/** Elements of a task: some ten microseconds, or more than the waking of a thread. */
const elementsPerTask = 16384;
const maxTasks = 64;

/** Chooses the kernel, and splits rows, or the columns of few long rows, into tasks. */
export function planPointwise(problem: PointwiseProblem): KernelPlan {
  const { nest, expressions, compute } = problem;
  const outerLengths = nest.lengths.slice(0, -1);
  const columns = nest.lengths.at(-1)!;
  const rows = sizeOf(outerLengths);
  const layout: PointwiseLayout = {
    expressions,
    compute,
    inputs: problem.inputs.map(({ name, dtype }, i) => {
      return { name, dtype, isVector: nest.strides[i]!.at(-1) === 1 };
    }),
    outputs: problem.outputs.map(({ dtype }) => dtype),
    numbers: Object.keys(problem.numbers),
    outerRank: outerLengths.length,
  };

  const perTask = Math.max(elementsPerTask, Math.ceil((rows * columns) / maxTasks));
  const columnsPerTask = rows === 1 ? roundUp(perTask, 4) : columns;
  const columnTasks = Math.ceil(columns / Math.max(columnsPerTask, 1));
  const rowsPerTask = Math.max(1, Math.floor(perTask / Math.max(columns, 1)));

  const number = compute === 'f32' ? floatWord : (value: number): number => value;
  const words = [
    ...problem.inputs.map(({ pointer }) => pointer),
    ...problem.outputs.map(({ pointer }) => pointer),
    ...outerLengths,
    ...problem.inputs.flatMap((_, i) => nest.strides[i]!.slice(0, -1).map((s) => 4 * s)),
    ...Object.values(problem.numbers).map(number),
    ...[rows, columns, rowsPerTask, columnsPerTask, columnTasks],
  ];
  return {
    key: layoutKey(layout),
    build: () => pointwiseModule(layout),
    words,
    taskCount: columnTasks * Math.ceil(rows / rowsPerTask),
  };
}

const expressionKeys = new WeakMap<Expression, string>();

/** Names the kernel; an expression is turned into text once. */
function layoutKey({ expressions, ...rest }: PointwiseLayout): string {
  const keys = expressions.map((expression) => {
    let key = expressionKeys.get(expression);
    if (key === undefined) expressionKeys.set(expression, (key = expressionKey(expression)));
    return key;
  });
  return `map ${keys.join()} ${JSON.stringify(rest)}`;
}

function expressionKey(e: Expression): string {
  if (e.kind === 'input') return e.name;
  if (e.kind === 'constant') return Object.is(e.value, -0) ? '-0' : String(e.value);
  return `${e.fn}(${e.args.map(expressionKey).join()})`;
}
