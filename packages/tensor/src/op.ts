import type { DType } from './dtype.ts';
import type { NdArray } from './reference.ts';
import type { SampleRandom } from './sample.ts';
import type { Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';
import type { CpuKernel } from './cpu/kernel.ts';
import type { WebGpuKernel } from './webgpu/kernel.ts';

/** What is known of a tensor before anything runs. A Tensor is one. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A call of an op by shapes alone. */
export interface OpCall<P> {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly params: P;
}

/** A call of an op on tensors. */
export interface TensorCall<P> extends OpCall<P> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What a vjp knows of the call whose gradients it computes. */
export interface VjpCall<P> extends TensorCall<P> {
  /** ∂loss/∂output for each output; null where the loss does not depend on it. */
  readonly gradients: readonly (Tensor | null)[];
  /** Which inputs' gradients are wanted; the others may be null. */
  readonly needed: readonly boolean[];
  /**
   * Takes the sum so far of an input's gradients by other ops, if there is one, for a vjp that can add it in a kernel
   * that it runs anyway. What a vjp takes, the gradient that it returns must include.
   */
  takeSum(input: number): Tensor | undefined;
}

/** One random case for the conformance tests. */
export interface Sample<P> {
  readonly inputs: readonly NdArray[];
  readonly params: P;
  /** Tolerance of the kernel against the reference, |Δ| ≤ absolute + relative·|reference|. Default 1e-5 and 1e-5. */
  readonly tolerance?: { readonly absolute?: number; readonly relative?: number };
}

/** One operation: everything the system knows of it, in one record. */
export interface Op<P> {
  readonly name: string;
  /** Shapes and dtypes of the outputs. @throws ShapeError, before anything runs */
  infer(inputs: readonly TensorSpec[], params: P): TensorSpec[];
  /** The definition: plain float64 loops, written to be obviously right. */
  reference(inputs: readonly NdArray[], params: P): NdArray[];
  readonly kernels?: { readonly webgpu?: WebGpuKernel<P>; readonly cpu?: CpuKernel<P> };
  /** The same result by other ops, for devices without a kernel of it. */
  decompose?(inputs: readonly Tensor[], params: P): Tensor[];
  /** The output shares the first input's storage (reshape); such an op has no kernel. */
  readonly alias?: boolean;
  /** Inputs that the op rewrites in place (optimisers, caches); it may have no outputs, and is not differentiable. */
  readonly mutates?: readonly number[];
  /** Gradients of the inputs, in order. Absent: the op is not differentiable. */
  vjp?(call: VjpCall<P>): (Tensor | null)[];
  /** Floating-point operations of its products of matrices, two a multiply-add, for budgets. Absent: none. */
  flops?(call: OpCall<P>): number;
  /** A random case: odd, prime and 1-sized shapes, broadcasting, edge values. */
  sample(random: SampleRandom): Sample<P>;
  /** Inputs through which gradients flow (indices do not). Default: every f32 input. */
  readonly differentiable?: readonly number[];
}

/** The inputs of a call through which gradients flow. */
export function differentiableInputs(
  { differentiable }: Pick<Op<never>, 'differentiable'>,
  inputs: readonly TensorSpec[],
): readonly number[] {
  return differentiable ?? inputs.flatMap(({ dtype }, i) => (dtype === 'f32' ? [i] : []));
}
