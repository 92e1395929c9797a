import { parse } from '../../expression/parse.ts';
import type { TensorCall } from '../../op.ts';
import type { MatmulParams } from '../../ops/matmul.ts';
import { roundUp } from '../../round-up.ts';
import type { Tensor } from '../../tensor.ts';
import { linearGrid, type KernelRun } from '../kernel.ts';
import { planEpilogue, type Epilogue } from './epilogue.ts';
import { matmulProblems, type MatmulProblem } from '../../matmul-problem.ts';
import type { MatmulChoice } from './select.ts';
import { alignedType, matmulUniforms, memoizeSource } from './source.ts';
import { sumSlices } from './split.ts';

/** Runs a matmul by the variants that `choose` names. */
export function runMatmul(
  run: KernelRun,
  call: TensorCall<MatmulParams>,
  choose: (problem: MatmulProblem) => MatmulChoice,
): void {
  const { inputs, outputs, params } = call;
  const [a, b, ...tensors] = inputs as [Tensor, Tensor, ...Tensor[]];
  const output = outputs[0]!;
  const { transposeA, transposeB, epilogue, names, numbers } = params;
  const plan = planEpilogue(output.shape, epilogue, names, tensors, numbers);
  for (const problem of matmulProblems(a.shape, b.shape, transposeA, transposeB)) {
    runProblem(run, problem, choose(problem), a, b, output, plan);
  }
}

const sumOnly: Epilogue = {
  expression: parse('acc'),
  inputs: [],
  tensors: [],
  numbers: {},
  rowLengths: [1],
};

function runProblem(
  run: KernelRun,
  problem: MatmulProblem,
  { variant, slices: wanted }: MatmulChoice,
  a: Tensor,
  b: Tensor,
  output: Tensor,
  epilogue: Epilogue,
): void {
  const { m, n, k, batches, transposeA, transposeB, firstRow } = problem;
  const sliceK = roundUp(Math.ceil(k / wanted), variant.stepK);
  const slices = k === 0 ? 1 : Math.ceil(k / sliceK);
  const rows = batches * m;
  const split = slices > 1;
  const partial = split ? run.temporary(slices * rows * n * 4) : undefined;
  const own = split ? sumOnly : epilogue;
  const aligned = variant.vectorized && n % 4 === 0 && k % 4 === 0;
  const source = {
    transposeA,
    transposeB,
    aligned,
    alignedA: aligned && (!transposeA || m % 4 === 0),
    epilogue: own,
  };
  const tilesM = Math.ceil(m / variant.tileRows);
  const tilesN = Math.ceil(n / variant.tileColumns);
  const count = tilesM * tilesN * batches * slices;
  const placed = split ? { ...problem, firstRow: 0 } : problem;
  run.dispatch(
    memoizeSource(variant.name, source, variant.make),
    [a, b, partial ?? output, ...own.tensors],
    matmulUniforms(placed, { m: tilesM, n: tilesN, count }, sliceK, own, alignedType(source)),
    linearGrid(count),
  );
  if (partial) sumSlices(run, partial, output, { rows, n, slices, firstRow }, epilogue);
}
