import { roundUp } from '../round-up.ts';
import type { Storage } from '../device.ts';
import { bytesPerElement, type DType } from '../dtype.ts';
import { identityOf, type Reduction, type ReductionShape } from '../reduction.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, type KernelRun } from './kernel.ts';
import { columnKernel, rowKernel } from './reduce-kernels.ts';
import { prefersRows, wholeRows } from './rows/select.ts';
import { runRowWork } from './rows/tune.ts';

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
  const asRows =
    inner === 1 && (run.rowVariant !== undefined || prefersRows(run.capabilities, length));
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

/** Elements of a row that are reduced together: enough parts to fill the device, at most 4096 elements each. */
function rowChunk({ capabilities }: KernelRun, { outer, length }: ReductionShape): number {
  const parts = capabilities.adapterKind === 'software' ? 16 : 1024;
  const wanted = Math.ceil(length / Math.ceil(parts / outer));
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

/** [outer, length] → [outer, chunks], a row of lanes for each chunk. */
const reduceRows: Pass = (run, kind, dtype, { outer, length }, chunk, chunks, x, y, scale) => {
  const width = length % 4 === 0 && (chunks === 1 || chunk % 4 === 0) ? 4 : 1;
  const count = outer * chunks;
  const sizes = [count, length / width, Math.ceil(chunk / width), chunks];
  runRowWork(run, {
    ...{ table: wholeRows, rows: count, length: chunk, buffers: [x, y] },
    kernel: (variant) => rowKernel(variant, kind, dtype, width),
    uniforms: [...sizes, identityOf(kind, dtype), scale],
  });
};

/** [outer, length, inner] → [outer, chunks, inner], one invocation for each result. */
const reduceColumns: Pass = (run, kind, dtype, shape, chunk, chunks, x, y, scale) => {
  const { outer, length, inner } = shape;
  const width = columnWidth(shape);
  const columns = inner / width;
  const count = outer * chunks * columns;
  const made = columnKernel(kind, dtype, width);
  const sizes = [count, length, chunk, chunks, columns];
  const grid = invocationGrid(count);
  run.dispatch(made, [x, y], [...sizes, identityOf(kind, dtype), scale], grid);
};
