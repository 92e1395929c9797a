import { offsetAt } from '../coordinates.ts';
import type { CpuKernelRun } from '../cpu/kernel.ts';
import { reduceMiddleAxis as reduceMiddleAxisOnCpu } from '../cpu/reduce.ts';
import type { Storage } from '../device.ts';
import { bytesPerElement, type DType } from '../dtype.ts';
import type { Op, Sample, TensorCall, VjpCall } from '../op.ts';
import { identityOf, type Reduction, type ReductionShape } from '../reduction.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { broadcastStrides, ShapeError, sizeOf, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { KernelRun } from '../webgpu/kernel.ts';
import { reduceMiddleAxis } from '../webgpu/reduce.ts';

export interface ReduceParams {
  /** Sorted, counted from the front. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** `shape` with length 1 on the reduced axes. */
export function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
}

function reducedShape(shape: Shape, { axes, keepDims }: ReduceParams): number[] {
  return keepDims ? keptShape(shape, axes) : shape.filter((_, axis) => !axes.includes(axis));
}

const floatOnly = (reduction: Reduction) => reduction === 'mean' || reduction === 'logSumExp';

/** The record of one reduction over any axes, given its gradient. */
export function reduceOp(
  reduction: Reduction,
  vjp: (call: VjpCall<ReduceParams>) => Tensor,
): Op<ReduceParams> {
  return {
    name: reduction,
    infer([x], params) {
      if (floatOnly(reduction) && x!.dtype !== 'f32') {
        throw new ShapeError(`${reduction}: needs an f32 tensor, got ${x!.dtype}; cast it first`);
      }
      return [{ shape: reducedShape(x!.shape, params), dtype: x!.dtype }];
    },
    reference: ([x], params) => [referenceReduce(reduction, x!, params)],
    kernels: {
      webgpu: reduceKernel<KernelRun>(reduction, reduceMiddleAxis),
      cpu: reduceKernel<CpuKernelRun>(reduction, reduceMiddleAxisOnCpu),
    },
    vjp: (call) => [call.gradients[0] && call.needed[0] ? vjp(call) : null],
    sample: (random) => sampleReduce(random, !floatOnly(reduction)),
  };
}

function referenceReduce(reduction: Reduction, x: NdArray, params: ReduceParams): NdArray {
  const groups = groupByOutput(x, params.axes);
  const values = groups.map((group) => {
    const total = (of: (value: number) => number) => group.reduce((sum, v) => sum + of(v), 0);
    if (reduction === 'sum') return total((v) => v);
    if (reduction === 'mean') return total((v) => v) / group.length;
    const lowest = identityOf(reduction, x.dtype);
    const extreme = group.reduce(
      (a, b) => (reduction === 'min' ? Math.min(a, b) : Math.max(a, b)),
      lowest,
    );
    if (reduction !== 'logSumExp' || !Number.isFinite(extreme)) return extreme;
    return extreme + Math.log(total((v) => Math.exp(v - extreme)));
  });
  return ndarray(reducedShape(x.shape, params), values, x.dtype);
}

/** For each output element the inputs that it reduces. */
function groupByOutput(x: NdArray, axes: readonly number[]): number[][] {
  const kept = keptShape(x.shape, axes);
  const strides = broadcastStrides(kept, x.shape);
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  x.data.forEach((value, index) => groups[offsetAt(index, x.shape, strides)]!.push(value));
  return groups;
}

/** Runs of neighbouring axes that are all reduced or all kept, outermost first; lengths of 1 drop out. */
function axisRuns(shape: Shape, axes: readonly number[]): { length: number; reduced: boolean }[] {
  const runs: { length: number; reduced: boolean }[] = [];
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const reduced = axes.includes(axis);
    const last = runs.at(-1);
    if (last?.reduced === reduced) last.length *= length;
    else runs.push({ length, reduced });
  });
  return runs;
}

/** Reduces one run of axes after another, innermost first: each is a reduction of the middle of three axes. */
function reduceKernel<Run extends { temporary(byteLength: number): Storage }>(
  reduction: Reduction,
  reduceMiddle: (
    run: Run,
    reduction: Reduction,
    dtype: DType,
    shape: ReductionShape,
    input: Tensor | Storage,
    output: Tensor | Storage,
    count: number,
  ) => void,
): (run: Run, call: TensorCall<ReduceParams>) => void {
  return (run, { inputs: [x], outputs: [y], params }) => {
    const runs = axisRuns(x!.shape, params.axes);
    if (!runs.some(({ reduced }) => reduced)) runs.push({ length: 1, reduced: true });
    const count = runs.reduce((n, { length, reduced }) => (reduced ? n * length : n), 1);
    let source: Tensor | Storage = x!;
    let inner = 1;
    for (let i = runs.length - 1; i >= 0; i--) {
      const { length, reduced } = runs[i]!;
      if (!reduced) {
        inner *= length;
        continue;
      }
      const before = runs.slice(0, i);
      const outer = before.reduce((product, axis) => product * axis.length, 1);
      const isLast = !before.some((axis) => axis.reduced);
      const target = isLast ? y! : run.temporary(outer * inner * bytesPerElement);
      const kind = reduction === 'mean' && !isLast ? 'sum' : reduction;
      reduceMiddle(run, kind, x!.dtype, { outer, length, inner }, source, target, count);
      source = target;
    }
  };
}

function sampleReduce(random: SampleRandom, integersToo: boolean): Sample<ReduceParams> {
  const shape = random.pick([
    () => random.shape(random.integer(0, 4), 9),
    () => random.shape(2, 257),
    () => [random.integer(1000, 5000), random.pick([1, 2, 3, 4, 8, 31, 64])],
    () => [random.pick([1, 2, 3]), random.integer(4000, 20001)],
    () => [65536 + random.integer(0, 9), random.integer(1, 3)],
  ])();
  const all = shape.map((_, axis) => axis);
  const axes = random.uniform() < 0.2 ? all : all.filter(() => random.uniform() < 0.5);
  const asIntegers = integersToo && random.uniform() < 0.15;
  return {
    inputs: [asIntegers ? random.integers(shape, -99, 99) : random.normals(shape)],
    params: { axes, keepDims: random.uniform() < 0.5 },
    // Rounding of a long sum of random signs
    tolerance: { absolute: 1e-5 + 1e-6 * Math.sqrt(sizeOf(shape)) },
  };
}
