import { scope, tensor, WebGpuDevice, type Device, type Shape } from '@farmer/tensor';
import type { Kernel, NdArray, Tensor } from '@farmer/tensor';
import type { Family, Variant, Work } from './family.ts';
import { time, type Timing } from './time.ts';

/** What one variant did at one shape. */
export interface Result {
  readonly op: string;
  readonly variant: string;
  readonly shape: Shape;
  /** Names of the WebGPU kernels that ran. */
  readonly kernels: readonly string[];
  /** Milliseconds of the first call, which compiles. */
  readonly first: number;
  /** Why it was not timed. */
  readonly wrong?: string;
  readonly timing?: Timing;
  /** By the median: 10⁹ operations, and 10⁹ bytes that must be moved, in a second. */
  readonly gflops?: number;
  readonly gbps?: number;
}

/** Checks each variant at a shape against the float64 reference, then times those that are right. */
export async function* measure(
  device: Device,
  family: Family,
  shape: Shape,
  options: { readonly seconds: number; readonly isChosen?: (variant: string) => boolean },
): AsyncGenerator<Result> {
  const { seconds, isChosen = () => true } = options;
  const work = family.work(shape, device);
  const chosen = work.variants.filter(({ name }) => isChosen(name));
  if (chosen.length === 0) return;
  const expected = work.reference();
  const inputs = work.inputs.map(({ data, shape, dtype }) => tensor(data, shape, dtype, device));
  for (const variant of chosen) {
    const start = performance.now();
    const actual = await outputsOf(variant, inputs);
    const first = performance.now() - start;
    const result = {
      ...{ op: family.name, variant: variant.name, shape, first },
      kernels: kernelsOf(device, variant, inputs).map(({ name }) => name),
    };
    const wrong = firstMistake(actual, expected, work.tolerance);
    if (wrong !== undefined) {
      yield { ...result, wrong };
      continue;
    }
    const timing = await time(device, () => void variant.run(inputs), seconds);
    yield { ...result, timing, ...rates(work, timing) };
  }
  inputs.forEach((input) => input.dispose());
}

/** The WebGPU kernels that a variant dispatches, in order. */
export function kernelsOf(
  device: Device,
  variant: Variant,
  inputs: readonly Tensor[],
): readonly Kernel[] {
  if (!(device instanceof WebGpuDevice)) return [];
  const graph = device.capture(() => scope(() => void variant.run(inputs)));
  graph.dispose();
  return graph.kernels;
}

async function outputsOf(variant: Variant, inputs: readonly Tensor[]) {
  const outputs = scope(() => variant.run(inputs));
  const data = await Promise.all(outputs.map((output) => output.data()));
  outputs.forEach((output) => output.dispose());
  return data;
}

/** The first value outside the tolerance, in words. A variant may give the first outputs alone. */
function firstMistake(
  actual: readonly ArrayLike<number>[],
  expected: readonly NdArray[],
  { absolute, relative }: Work['tolerance'],
): string | undefined {
  for (const [output, values] of actual.entries()) {
    const { data } = expected[output]!;
    if (values.length !== data.length) {
      return `output ${output} has ${values.length} values instead of ${data.length}`;
    }
    const isOff = (value: number, at: number): boolean =>
      !(Math.abs(values[at]! - value) <= absolute + relative * Math.abs(value));
    const at = data.findIndex(isOff);
    if (at >= 0) return `output ${output}, element ${at} is ${values[at]} instead of ${data[at]}`;
  }
  return undefined;
}

function rates({ flops, bytes }: Work, { median }: Timing): Pick<Result, 'gflops' | 'gbps'> {
  return {
    ...(flops === undefined ? {} : { gflops: flops / median / 1e6 }),
    gbps: bytes / median / 1e6,
  };
}
