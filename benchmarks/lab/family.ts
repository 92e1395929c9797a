import { apply, ndarray, philoxNormals, scope, sizeOf, WebGpuDevice } from '@farmer/tensor';
import type { Device, NdArray, Op, Shape, Tensor, WebGpuCapabilities } from '@farmer/tensor';

/** One way to do an op's work. */
export interface Variant {
  readonly name: string;
  /** Issues the work. */
  run(inputs: readonly Tensor[]): Tensor[];
}

/** What is computed: operands, what is expected of it, and how much it is. */
export interface Work {
  readonly inputs: readonly NdArray[];
  /** The float64 reference. */
  reference(): readonly NdArray[];
  /** |Δ| ≤ absolute + relative · |reference|. */
  readonly tolerance: { readonly absolute: number; readonly relative: number };
  /** Floating-point operations, where they may be what limits. */
  readonly flops?: number;
  /** Bytes that must be read and written. */
  readonly bytes: number;
  /** In the order in which they were invented; the first is the simplest. */
  readonly variants: readonly Variant[];
}

/** An op under test, at any shape. */
export interface Family {
  readonly name: string;
  /** What the numbers of a shape mean, in order. */
  readonly axes: readonly string[];
  /** What is measured unless shapes are named. */
  readonly shapes: readonly Shape[];
  work(shape: Shape, device: Device): Work;
}

/** The name of what the selection table chooses. */
export const selected = 'selected';

/** The op with a kernel of its own, or other ops that give the same. */
type Way<P> = Op<P> | ((...inputs: Tensor[]) => Tensor);

/** A family's work from an op and its operands; `variants` come before the op as it stands, `selected`. */
export function opWork<P>(
  op: Op<P>,
  inputs: readonly NdArray[],
  params: P,
  options: {
    readonly variants?: readonly (readonly [name: string, way: Way<P>])[];
    readonly tolerance?: Partial<Work['tolerance']>;
    readonly flops?: number;
  },
): Work {
  const { variants = [], tolerance, flops } = options;
  const outputs = op.infer(inputs, params);
  const counted = flops ?? op.flops?.({ inputs, outputs, params });
  const all: (readonly [string, Way<P>])[] = [...variants, [selected, op]];
  return {
    inputs,
    reference: () => op.reference(inputs, params),
    tolerance: { absolute: 1e-5, relative: 1e-5, ...tolerance },
    ...(counted === undefined ? {} : { flops: counted }),
    bytes: 4 * [...inputs, ...outputs].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    variants: all.map(([name, way]) => ({
      name,
      run: (tensors) =>
        typeof way === 'function' ? [scope(() => way(...tensors))] : apply(way, tensors, params),
    })),
  };
}

/** The op as an adapter with other capabilities would run it. */
export function pretending<P>(op: Op<P>, changes: Partial<WebGpuCapabilities>): Op<P> {
  const kernel = op.kernels!.webgpu!;
  return {
    ...op,
    kernels: {
      webgpu: (run, call) => {
        const capabilities = { ...run.capabilities, ...changes };
        kernel({ ...run, capabilities }, call);
      },
    },
  };
}

/** The capabilities of a WebGPU device; undefined for the CPU. */
export const capabilitiesOf = (device: Device): WebGpuCapabilities | undefined =>
  device instanceof WebGpuDevice ? device.capabilities : undefined;

/** Normal values, the same for the same `stream`. */
export const noise = (stream: number, ...shape: number[]): NdArray =>
  ndarray(shape, philoxNormals(1, 0, stream, sizeOf(shape)));
