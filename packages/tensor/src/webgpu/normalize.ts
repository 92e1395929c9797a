import { bytesPerElement } from '../dtype.ts';
import { memoize } from '../memo.ts';
import type { Norm } from '../ops/normalize.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type KernelRun } from './kernel.ts';
import { columnChunk, reduceMiddleAxis } from './reduce.ts';
import { rowKernels, runRows, type RowBody } from './rows/row-kernel.ts';
import { floatType } from './wgsl.ts';

/** Statements that define `mean` and `factor`, 1/√(variance + ε), of the row; `use` sees each d = x − mean. */
const statistics = (norm: Norm, { T, each, total }: RowBody, use = '') => `
  var mean = 0.0;
  ${norm === 'layer' ? `var sum = ${T}(0); ${each('sum += x[at];')} mean = ${total('sum', 'sum')} / u.length;` : ''}
  var squares = ${T}(0);
  ${each(`let d = x[at] - ${T}(mean); squares += d * d; ${use}`)}
  let factor = 1 / sqrt(${total('sum', 'squares')} / u.length + u.epsilon);`;

const rowUniforms = { length: 'f32', epsilon: 'f32' } as const;

const forwardKernels = memoize((norm: Norm) =>
  rowKernels({
    name: `${norm}-norm`,
    reductions: ['sum'],
    bindings: {
      x: 'read row',
      scale: 'read row',
      ...(norm === 'layer' && { shift: 'read row' }),
      y: 'write row',
    },
    uniforms: rowUniforms,
    body: (pieces) => `${statistics(norm, pieces)}
  ${pieces.each(
    norm === 'layer'
      ? `y[at] = (x[at] - ${pieces.T}(mean)) * factor * scale[i] + shift[i];`
      : 'y[at] = x[at] * factor * scale[i];',
  )}`,
  }),
);

// With x̂ the normalised row, h = g · scale and means over the row:
// ∂L/∂x = factor (h − mean h − x̂ mean(h x̂)), where RMS norm has no `mean h`; plus the sum of x's other gradients.
const inputGradientKernels = memoize((norm: Norm, hasSum: boolean) =>
  rowKernels({
    name: `${norm}-norm-gradient`,
    reductions: ['sum'],
    bindings: {
      x: 'read row',
      g: 'read row',
      scale: 'read row',
      ...(hasSum && { gradients: 'read row' }),
      dx: 'write row',
      moments: 'write vec2f',
    },
    uniforms: rowUniforms,
    body: (pieces) => {
      const { T, each, total } = pieces;
      const meanOf = (value: string) => `${total('sum', value)} / u.length`;
      return `
  var sumH = ${T}(0);
  var sumHD = ${T}(0);
  ${statistics(norm, pieces, 'let h = g[at] * scale[i]; sumH += h; sumHD += h * d;')}
  let meanH = ${norm === 'layer' ? meanOf('sumH') : '0.0'};
  let slope = ${meanOf('sumHD')} * factor * factor;
  ${each(`dx[at] = ${hasSum ? 'gradients[at] + ' : ''}factor * (g[at] * scale[i] - ${T}(meanH) - (x[at] - ${T}(mean)) * slope);`)}
  if (lane == 0u) { moments[row] = vec2f(mean, factor); }`;
    },
  }),
);

// ∂L/∂scale = Σ g x̂ and ∂L/∂shift = Σ g over a chunk of rows, one invocation for each (vector) column.
const parameterGradientKernel = memoize((norm: Norm, width: number) => {
  const T = floatType(width);
  const shifts = norm === 'layer';
  return kernel({
    name: `${norm}-norm-parameter-gradient`,
    bindings: {
      x: `read ${T}`,
      g: `read ${T}`,
      moments: 'read vec2f',
      dScale: `write ${T}`,
      ...(shifts && { dShift: `write ${T}` as const }),
    },
    uniforms: { count: 'u32', rows: 'u32', chunk: 'u32', columns: 'u32' },
    code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize}u + l;
  if (i >= u.count) { return; }
  let column = i % u.columns;
  let begin = (i / u.columns) * u.chunk;
  let end = min(begin + u.chunk, u.rows);
  var scaleSum = ${T}(0);
  ${shifts ? `var shiftSum = ${T}(0);` : ''}
  for (var row = begin; row < end; row++) {
    let at = row * u.columns + column;
    let gradient = g[at];
    let moment = moments[row];
    scaleSum += gradient * ((x[at] - ${T}(moment.x)) * moment.y);
    ${shifts ? 'shiftSum += gradient;' : ''}
  }
  dScale[i] = scaleSum;
  ${shifts ? 'dShift[i] = shiftSum;' : ''}
}`,
  });
});

/** Normalises the rows of inputs [x, scale] or [x, scale, shift] into the output. */
export function normalizeRows(
  run: KernelRun,
  norm: Norm,
  [rows, length]: readonly [number, number],
  inputs: readonly Tensor[],
  output: Tensor,
  epsilon: number,
): void {
  runRows(run, forwardKernels(norm), [rows, length], [...inputs, output], [length, epsilon]);
}

/**
 * Gradients of x and of the parameters (scale, and shift for layer norm), in a fixed order of additions.
 * @param inputs x, scale, g, and perhaps the sum of other gradients of x, which is added to its own
 */
export function normalizeRowsGradient(
  run: KernelRun,
  norm: Norm,
  [rows, length]: readonly [number, number],
  inputs: readonly Tensor[],
  [dx, ...dParameters]: readonly Tensor[],
  epsilon: number,
): void {
  const [x, scale, g, ...sum] = inputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const moments = run.temporary(rows * 2 * bytesPerElement);
  const rowBuffers = [x, g, scale, ...sum, dx!, moments];
  const kernels = inputGradientKernels(norm, sum.length > 0);
  runRows(run, kernels, [rows, length], rowBuffers, [length, epsilon]);

  const columnsShape = { outer: 1, length: rows, inner: length };
  const chunk = columnChunk(run, columnsShape);
  const chunks = Math.ceil(rows / chunk);
  const width = length % 4 === 0 ? 4 : 1;
  const count = chunks * (length / width);
  const sums =
    chunks === 1
      ? dParameters
      : dParameters.map(() => run.temporary(chunks * length * bytesPerElement));
  run.dispatch(
    parameterGradientKernel(norm, width),
    [x, g, moments, ...sums],
    [count, rows, chunk, length / width],
    invocationGrid(count),
  );
  if (chunks === 1) return;
  const partial = { outer: 1, length: chunks, inner: length };
  dParameters.forEach((target, i) =>
    reduceMiddleAxis(run, 'sum', 'f32', partial, sums[i]!, target),
  );
}
