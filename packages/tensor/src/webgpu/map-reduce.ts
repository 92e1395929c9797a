import { loopNest } from '../broadcast.ts';
import type { Expression } from '../expression/ast.ts';
import { expressionToWgsl } from '../expression/wgsl.ts';
import { WeakMemo } from '../memo.ts';
import type { MapReduceParams, RowReduce } from '../ops/map-reduce.ts';
import { broadcastShapes, sizeOf } from '../shape.ts';
import type { UniformType, WebGpuKernel } from './kernel.ts';
import { rowKernels, runRows, type RowBody, type RowKernelFactory } from './rows/row-kernel.ts';
import { combine } from './rows/variant.ts';

/** What is baked into a kernel beside its expression. */
interface Plan {
  readonly reduce: RowReduce;
  readonly names: readonly string[];
  readonly numbers: readonly string[];
  /** Axes over which the rows are counted. */
  readonly rank: number;
  /** For each input: whether it changes along the row. */
  readonly along: readonly boolean[];
}

/** Runs a `mapReduce` as one dispatch over all rows. */
export const mapReduceKernel: WebGpuKernel<MapReduceParams> = (
  run,
  { inputs, outputs, params },
) => {
  const shape = broadcastShapes('mapReduce', ...inputs.map((tensor) => tensor.shape));
  const length = shape.at(-1)!;
  // Rows are counted over the outer axes; an input's strides over them are in its own rows.
  const outer = shape.slice(0, -1);
  const nest = loopNest(
    outer,
    inputs.map((tensor) => tensor.shape.slice(0, -1)),
  );
  const along = inputs.map((tensor) => (tensor.shape.at(-1) ?? 1) !== 1);
  const width = length % 4 === 0 ? 4 : 1;
  const strides = nest.strides.flatMap((own, i) =>
    own.map((stride) => (along[i] ? (stride * length) / width : stride)),
  );
  const plan: Plan = {
    reduce: params.reduce,
    names: params.names,
    numbers: Object.keys(params.numbers),
    rank: nest.lengths.length,
    along,
  };
  runRows(
    run,
    compiled.get(params.expression, JSON.stringify(plan), () =>
      kernelsFor(plan, params.expression),
    ),
    [sizeOf(outer), length],
    [...inputs, ...outputs],
    [-Infinity, ...nest.lengths, ...strides, ...Object.values(params.numbers)],
  );
};

const compiled = new WeakMemo<Expression, RowKernelFactory>();

function kernelsFor(plan: Plan, expression: Expression): RowKernelFactory {
  const { reduce, numbers, rank, along } = plan;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const uniforms: Record<string, UniformType> = { lowest: 'f32' };
  for (const axis of axes) uniforms[`length${axis}`] = 'u32';
  along.forEach((_, k) => axes.forEach((axis) => (uniforms[`stride${k}_${axis}`] = 'u32')));
  for (const name of numbers) uniforms[`number_${name}`] = 'f32';
  const inputs = along.map((walks, k) => [`in${k}`, walks ? 'read row' : 'read f32'] as const);
  return rowKernels({
    name: `map-${reduce}`,
    reductions: reduce === 'logSumExp' ? ['max', 'sum'] : [reduce],
    bindings: { ...Object.fromEntries(inputs), y: 'write f32' },
    uniforms,
    helpers: (T) => pointwise(plan, expression, T).helpers,
    body: (pieces) => rowBody(plan, expression, pieces),
  });
}

function pointwise({ names, numbers, along }: Plan, expression: Expression, T: 'f32' | 'vec4f') {
  const values: Record<string, string> = {};
  names.forEach((name, k) => (values[name] = along[k] ? `in${k}[offset${k} + i]` : `whole${k}`));
  for (const name of numbers) values[name] = `${T}(u.number_${name})`;
  return expressionToWgsl([expression], values, T);
}

function rowBody(plan: Plan, expression: Expression, { T, each, total }: RowBody): string {
  const { reduce, rank, along } = plan;
  const { statements, results } = pointwise(plan, expression, T);
  const coordinates = Array.from({ length: rank }, (_, i) => rank - 1 - i).map(
    (axis) => `let c${axis} = rest % u.length${axis}; rest = rest / u.length${axis};`,
  );
  const offsets = along.map((walks, k) => {
    const terms = Array.from({ length: rank }, (_, axis) => `c${axis} * u.stride${k}_${axis}`);
    const offset = `let offset${k} = ${terms.join(' + ')};`;
    return walks ? offset : `${offset} let whole${k} = ${T}(in${k}[offset${k}]);`;
  });
  const loop = (use: string) => each(`${statements}\n let value = ${results[0]}; ${use}`);
  const first = reduce === 'sum' ? 'sum' : 'max';
  const start = reduce === 'sum' ? '0.0' : 'u.lowest';
  return `
  var rest = row;
  ${coordinates.join('\n  ')}
  ${offsets.join('\n  ')}
  var reduced = ${T}(${start});
  ${loop(`reduced = ${combine(first, 'reduced', 'value')};`)}
  var result = ${total(first, 'reduced')};
  ${reduce === 'logSumExp' ? exponentials(T, loop, total) : ''}
  if (lane == 0u) { y[row] = result; }`;
}

// log Σ exp(e) = m + log Σ exp(e − m), m = max e
const exponentials = (
  T: string,
  loop: (use: string) => string,
  total: RowBody['total'],
): string => `
  let finite = abs(result) <= 3.4e38;
  let shift = select(0.0, result, finite);
  var exponentials = ${T}(0);
  ${loop(`exponentials += exp(value - ${T}(shift));`)}
  result = select(result, result + log(${total('sum', 'exponentials')}), finite);`;
