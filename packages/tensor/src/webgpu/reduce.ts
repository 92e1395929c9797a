import type { Storage } from '../device.ts';
import { bytesPerElement, type DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { kernel, linearGrid, memoizeKernel, type Kernel, type KernelRun } from './kernel.ts';
import {
  combine,
  enableSubgroups,
  horizontal,
  prefersTeam,
  rowFunctions,
  rowTeam,
  type RowReduction,
} from './rows.ts';

export type Reduction = RowReduction | 'mean' | 'logSumExp';

/** A reduction of the middle axis of [outer, length, inner]. */
export interface ReductionShape {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** The value of a reduction over nothing. */
export function identityOf(reduction: Reduction, dtype: DType): number {
  if (reduction === 'sum' || reduction === 'mean') return 0;
  const lowest = { f32: -Infinity, i32: -(2 ** 31), u32: 0 }[dtype];
  const highest = { f32: Infinity, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1 }[dtype];
  return reduction === 'min' ? highest : lowest;
}

/**
 * Reduces the middle axis. Long axes are cut into chunks that run in parallel and whose results are reduced again:
 * the order of additions is fixed, and short partial sums keep the rounding error near a pairwise sum's.
 * @param count elements behind one output over all passes, for the mean
 */
export function reduceMiddleAxis(
  run: KernelRun,
  reduction: Reduction,
  dtype: DType,
  shape: ReductionShape,
  input: Tensor | Storage,
  output: Tensor | Storage,
  count = shape.length,
): void {
  const { outer, length, inner } = shape;
  const asRows = inner === 1 && prefersTeam(run.capabilities, length);
  const chunk = asRows ? rowChunk(run, shape) : columnChunk(run, shape);
  const chunks = length <= chunk ? 1 : Math.ceil(length / chunk);
  const pass = asRows ? reduceRows : reduceColumns;
  if (chunks === 1) {
    pass(run, reduction, dtype, shape, chunk, chunks, input, output, 1 / count);
    return;
  }
  const partial = run.temporary(outer * chunks * inner * bytesPerElement);
  const partially = reduction === 'mean' ? 'sum' : reduction;
  pass(run, partially, dtype, shape, chunk, chunks, input, partial, 1);
  const rest = { outer, length: chunks, inner };
  reduceMiddleAxis(run, reduction, dtype, rest, partial, output, count);
}

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/** Elements of a row that one team takes: enough teams to fill the device, at most 4096 elements each. */
function rowChunk({ capabilities }: KernelRun, { outer, length }: ReductionShape): number {
  const teams = capabilities.adapterKind === 'software' ? 16 : 1024;
  const wanted = Math.ceil(length / Math.ceil(teams / outer));
  const chunk = Math.min(4096, Math.max(1024, wanted));
  return length <= chunk ? length : roundUp(chunk, 4);
}

/** Rows that one invocation adds up: enough invocations to fill the device, at most 256 rows each. */
export function columnChunk({ capabilities }: KernelRun, shape: ReductionShape): number {
  const { outer, length, inner } = shape;
  const invocations = capabilities.adapterKind === 'software' ? 1024 : 16384;
  const wanted = Math.ceil((length * outer * inner) / (invocations * columnWidth(shape)));
  const chunk = Math.min(256, Math.max(16, Math.ceil(Math.sqrt(length)), wanted));
  return length <= Math.max(chunk, 64) ? length : chunk;
}

const columnWidth = ({ inner }: ReductionShape) => (inner % 4 === 0 ? 4 : 1);

type Pass = (
  run: KernelRun,
  reduction: Reduction,
  dtype: DType,
  shape: ReductionShape,
  chunk: number,
  chunks: number,
  input: Tensor | Storage,
  output: Tensor | Storage,
  scale: number,
) => void;

/** [outer, length] → [outer, chunks], one team for each chunk. */
const reduceRows: Pass = (run, kind, dtype, { outer, length }, chunk, chunks, x, y, scale) => {
  const width = length % 4 === 0 && (chunks === 1 || chunk % 4 === 0) ? 4 : 1;
  const { lanes, subgroup } = rowTeam(run.capabilities, chunk);
  const count = outer * chunks;
  const made = rowKernel(kind, dtype, width, lanes, subgroup);
  const sizes = [count, length / width, Math.ceil(chunk / width), chunks];
  run.dispatch(made, [x, y], [...sizes, identityOf(kind, dtype), scale], linearGrid(count));
};

/** [outer, length, inner] → [outer, chunks, inner], one invocation for each result. */
const reduceColumns: Pass = (run, kind, dtype, shape, chunk, chunks, x, y, scale) => {
  const { outer, length, inner } = shape;
  const width = columnWidth(shape);
  const columns = inner / width;
  const count = outer * chunks * columns;
  const made = columnKernel(kind, dtype, width);
  const sizes = [count, length, chunk, chunks, columns];
  const grid = linearGrid(Math.ceil(count / workgroupSize));
  run.dispatch(made, [x, y], [...sizes, identityOf(kind, dtype), scale], grid);
};

const workgroupSize = 64;
const vec4Of = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' } as const;
const elementType = (dtype: DType, width: number) => (width === 4 ? vec4Of[dtype] : dtype);

/** What the loop over the elements combines, and the final value. */
function stepsOf(reduction: Reduction): { first: RowReduction; finish: (value: string) => string } {
  if (reduction === 'mean') return { first: 'sum', finish: (value) => `${value} * u.scale` };
  if (reduction === 'logSumExp') return { first: 'max', finish: (value) => value };
  return { first: reduction, finish: (value) => value };
}

const rowKernel = memoizeKernel(
  (reduction: Reduction, dtype: DType, width: number, lanes: number, subgroup: number): Kernel => {
    const T = elementType(dtype, width);
    const team = { lanes, subgroup };
    const { first, finish } = stepsOf(reduction);
    const isLse = reduction === 'logSumExp';
    const loop = (body: string) =>
      `for (var i = begin + lane; i < end; i += ${lanes}u) { ${body} }`;
    // log Σ exp(x) = m + log Σ exp(x - m), m = max x
    const sumOfExponentials = `
  let shift = select(0.0, result, abs(result) <= 3.4e38);
  var total = ${T}(0);
  ${loop(`total += exp(x[i] - ${T}(shift));`)}
  result = select(result, result + log(row_sum(${horizontal('sum', 'total', width)}, lane)), abs(result) <= 3.4e38);`;
    return kernel({
      name: `reduce-rows-${reduction}`,
      enable: enableSubgroups(team),
      bindings: { x: `read ${T}`, y: `write ${dtype}` },
      uniforms: {
        count: 'u32',
        length: 'u32',
        chunk: 'u32',
        chunks: 'u32',
        identity: dtype,
        scale: 'f32',
      },
      code: `${rowFunctions(team, isLse ? ['max', 'sum'] : [first], dtype)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = linear_workgroup(w, n);
  if (group >= u.count) { return; }
  let row = group / u.chunks;
  let begin = row * u.length + (group % u.chunks) * u.chunk;
  let end = min(begin + u.chunk, (row + 1u) * u.length);
  var value = ${T}(u.identity);
  ${loop(`value = ${combine(first, 'value', 'x[i]')};`)}
  var result = row_${first}(${horizontal(first, 'value', width)}, lane);
  ${isLse ? sumOfExponentials : ''}
  if (lane == 0u) { y[group] = ${finish('result')}; }
}`,
    });
  },
);

const columnKernel = memoizeKernel((reduction: Reduction, dtype: DType, width: number): Kernel => {
  const T = elementType(dtype, width);
  const { first, finish } = stepsOf(reduction);
  const loop = (body: string) =>
    `for (var r = begin; r < end; r++) { let value = x[start + r * u.columns]; ${body} }`;
  const sumOfExponentials = `
  let finite = abs(result) <= ${T}(3.4e38);
  let shift = select(${T}(0), result, finite);
  var total = ${T}(0);
  ${loop('total += exp(value - shift);')}
  result = select(result, result + log(total), finite);`;
  return kernel({
    name: `reduce-columns-${reduction}`,
    bindings: { x: `read ${T}`, y: `write ${T}` },
    uniforms: {
      count: 'u32',
      length: 'u32',
      chunk: 'u32',
      chunks: 'u32',
      columns: 'u32',
      identity: dtype,
      scale: 'f32',
    },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (i >= u.count) { return; }
  let column = i % u.columns;
  let chunk = (i / u.columns) % u.chunks;
  let row = i / (u.columns * u.chunks);
  let start = row * u.length * u.columns + column;
  let begin = chunk * u.chunk;
  let end = min(begin + u.chunk, u.length);
  var result = ${T}(u.identity);
  ${loop(`result = ${combine(first, 'result', 'value')};`)}
  ${reduction === 'logSumExp' ? sumOfExponentials : ''}
  y[i] = ${finish('result')};
}`,
  });
});
