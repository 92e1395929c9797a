import { loopNest } from '../../broadcast.ts';
import type { MatmulParams } from '../../ops/matmul.ts';
import { sameShape } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import { matmulProblems } from '../../matmul-problem.ts';
import { fillBits } from '../fill.ts';
import { pointerOf, type CpuKernel, type CpuKernelRun } from '../kernel.ts';
import { depthSplits, planMatmul, type MatmulProblem, type MatrixLayout } from './plan.ts';
import { reduceMiddleAxis } from '../reduce.ts';
import { planPointwise } from '../pointwise/plan.ts';

/** A `matmul`: the products, a bias or residual added on the way, other epilogues in a second pass. */
export const runMatmul: CpuKernel<MatmulParams> = (run, { inputs, outputs, params }) => {
  const [a, b] = inputs as [Tensor, Tensor];
  const output = outputs[0]!;
  const { transposeA, transposeB } = params;
  const isPlain = params.epilogue.kind === 'input' && params.epilogue.name === 'acc';
  if (a.size === 0) {
    // Sums of no products, which the kernels do not expect.
    fillBits(run, output, 0);
    if (!isPlain) applyEpilogue(run, inputs, output, params);
    return;
  }
  const added = addedOperand(inputs, output, params);
  for (const problem of matmulProblems(a.shape, b.shape, transposeA, transposeB)) {
    const { m, n, k, batches, inner, firstRow } = problem;
    const operand = (tensor: Tensor, { offset, outer, step }: typeof problem.a): MatrixLayout => ({
      pointer: pointerOf(tensor) + 4 * offset,
      rowStride: tensor.shape.at(-1)!,
      outerStride: outer,
      innerStride: step,
    });
    const result = (tensor: Tensor): MatrixLayout => ({
      pointer: pointerOf(tensor) + 4 * firstRow * n,
      rowStride: n,
      outerStride: inner * m * n,
      innerStride: m * n,
    });
    executeProduct(run, output, {
      m,
      n,
      k,
      outerBatch: batches / inner,
      innerBatch: inner,
      transposeA: problem.transposeA,
      transposeB: problem.transposeB,
      a: operand(a, problem.a),
      b: operand(b, problem.b),
      c: result(output),
      initial:
        added && (isRow(added) ? { pointer: pointerOf(added), rowStride: 0 } : result(added)),
    });
  }
  if (!isPlain && !added) applyEpilogue(run, inputs, output, params);
};

/** One product, or the sum of the products over parts of k. */
function executeProduct(run: CpuKernelRun, output: Tensor, problem: MatmulProblem): void {
  const splits = depthSplits(problem);
  if (splits === 1) {
    run.execute(planMatmul(problem));
    return;
  }
  const { m, n, a, b, transposeA, transposeB } = problem;
  const k = problem.k / splits;
  const parts = run.temporary(splits * output.byteLength);
  const partsOf = (matrix: MatrixLayout, alongRows: boolean | undefined): MatrixLayout => ({
    ...matrix,
    innerStride: alongRows ? k * matrix.rowStride : k,
  });
  const part = {
    ...{ m, n, k, innerBatch: splits, transposeA, transposeB },
    ...{ a: partsOf(a, transposeA), b: partsOf(b, !transposeB) },
    c: { pointer: pointerOf(parts), rowStride: n, innerStride: m * n },
  };
  run.execute(planMatmul(part));
  reduceMiddleAxis(run, 'sum', 'f32', { outer: 1, length: splits, inner: m * n }, parts, output);
}

const isRow = (tensor: Tensor): boolean => tensor.size === tensor.shape.at(-1);

/** The x of an epilogue `acc + x`, if it is a bias over the columns or has the product's own shape. */
function addedOperand(
  inputs: readonly Tensor[],
  output: Tensor,
  { epilogue, names }: MatmulParams,
): Tensor | undefined {
  if (epilogue.kind !== 'call' || epilogue.fn !== 'add') return undefined;
  const [left, right] = epilogue.args;
  if (left?.kind !== 'input' || right?.kind !== 'input') return undefined;
  const other = left.name === 'acc' ? right.name : right.name === 'acc' ? left.name : undefined;
  const tensor = inputs[2 + names.indexOf(other ?? 'acc')];
  if (other === undefined || other === 'acc' || !names.includes(other) || !tensor) return undefined;
  const isBias = isRow(tensor) && tensor.shape.at(-1) === output.shape.at(-1);
  return isBias || sameShape(tensor.shape, output.shape) ? tensor : undefined;
}

/** Applies the epilogue to the products in place; `acc` is what they hold. */
function applyEpilogue(
  run: CpuKernelRun,
  inputs: readonly Tensor[],
  output: Tensor,
  { epilogue, names, numbers }: MatmulParams,
): void {
  const operands = [output, ...inputs.slice(2)];
  const plan = planPointwise({
    expressions: [epilogue],
    nest: loopNest(
      output.shape,
      operands.map(({ shape }) => shape),
    ),
    inputs: operands.map((tensor, i) => {
      return { name: i === 0 ? 'acc' : names[i - 1]!, dtype: 'f32', pointer: pointerOf(tensor) };
    }),
    outputs: [{ dtype: 'f32', pointer: pointerOf(output) }],
    numbers,
    compute: 'f32',
  });
  run.execute(plan);
}
