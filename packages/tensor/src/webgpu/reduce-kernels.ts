import type { DType } from '../dtype.ts';
import { memoize } from '../memo.ts';
import type { Reduction } from '../reduction.ts';
import { kernel, workgroupSize, type Kernel } from './kernel.ts';
import {
  combine,
  enableSubgroups,
  horizontal,
  memoizeByVariant,
  rowFunctions,
  rowMain,
  type RowReduction,
} from './rows/variant.ts';
import { elementType } from './wgsl.ts';

/** What the loop over the elements combines, and the final value. */
function stepsOf(reduction: Reduction): { first: RowReduction; finish: (value: string) => string } {
  if (reduction === 'mean') return { first: 'sum', finish: (value) => `${value} * u.scale` };
  if (reduction === 'logSumExp') return { first: 'max', finish: (value) => value };
  return { first: reduction, finish: (value) => value };
}

/** [outer, length] → [outer, chunks], a row of lanes for each chunk. */
export const rowKernel = memoizeByVariant(
  (variant, reduction: Reduction, dtype: DType, width: number): Kernel => {
    const T = elementType(dtype, width);
    const { first, finish } = stepsOf(reduction);
    const isLse = reduction === 'logSumExp';
    const loop = (body: string) =>
      `for (var i = begin + lane; i < end; i += ${variant.lanes}u) { ${body} }`;
    // log Σ exp(x) = m + log Σ exp(x - m), m = max x
    const sumOfExponentials = `
  let shift = select(0.0, result, abs(result) <= 3.4e38);
  var total = ${T}(0);
  ${loop(`total += exp(x[i] - ${T}(shift));`)}
  result = select(result, result + log(row_sum(${horizontal('sum', 'total', width)}, local)), abs(result) <= 3.4e38);`;
    return kernel({
      name: `reduce-rows-${reduction}`,
      enable: enableSubgroups(variant),
      bindings: { x: `read ${T}`, y: `write ${dtype}` },
      uniforms: {
        count: 'u32',
        length: 'u32',
        chunk: 'u32',
        chunks: 'u32',
        identity: dtype,
        scale: 'f32',
      },
      code: `${rowFunctions(variant, isLse ? ['max', 'sum'] : [first], dtype)}${rowMain(
        variant,
        `if (row >= u.count) { return; }
  let whole = row / u.chunks;
  let begin = whole * u.length + (row % u.chunks) * u.chunk;
  let end = min(begin + u.chunk, (whole + 1u) * u.length);
  var value = ${T}(u.identity);
  ${loop(`value = ${combine(first, 'value', 'x[i]')};`)}
  var result = row_${first}(${horizontal(first, 'value', width)}, local);
  ${isLse ? sumOfExponentials : ''}
  if (lane == 0u) { y[row] = ${finish('result')}; }`,
      )}`,
    });
  },
);

/** [outer, length, inner] → [outer, chunks, inner], one invocation for each result. */
export const columnKernel = memoize((reduction: Reduction, dtype: DType, width: number): Kernel => {
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
