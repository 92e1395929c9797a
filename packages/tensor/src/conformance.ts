import { apply } from './apply.ts';
import type { Device } from './device.ts';
import { differentiableInputs, type Op, type Sample } from './op.ts';
import { registry } from './ops/registry.ts';
import { ndarray, type NdArray } from './reference.ts';
import { sampleRandom } from './sample.ts';
import { scope } from './scope.ts';
import { formatShape, sizeOf } from './shape.ts';
import { tensor, type Tensor } from './tensor.ts';

/** A source of uniforms for one sample case (mulberry32). */
export function uniformSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const upload = ({ data, shape, dtype }: NdArray, device: Device): Tensor =>
  tensor(data, shape, dtype, device);

async function read(
  op: Op<unknown>,
  device: Device,
  { inputs, params }: Sample<unknown>,
): Promise<NdArray[]> {
  const outputs = scope(() => {
    const tensors = inputs.map((array) => upload(array, device));
    const made = apply(op, tensors, params, device);
    return op.mutates ? [...made, ...op.mutates.map((i) => tensors[i]!)] : made;
  });
  const arrays = await Promise.all(
    outputs.map(async (output) => ndarray(output.shape, await output.data(), output.dtype)),
  );
  outputs.forEach((output) => output.dispose());
  return arrays;
}

function describe(op: Op<unknown>, sample: Sample<unknown>): string {
  const shapes = sample.inputs.map(({ shape }) => formatShape(shape)).join(' ');
  return `${op.name} on ${shapes || 'no inputs'} ${JSON.stringify(sample.params)}`.slice(0, 600);
}

/** The largest deviation beyond the tolerance, described; undefined when all is well. */
export function mismatch(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: { absolute?: number; relative?: number } = {},
): string | undefined {
  const { absolute = 1e-5, relative = 1e-5 } = tolerance;
  if (actual.length !== expected.length)
    return `${actual.length} values instead of ${expected.length}`;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || a === e) continue;
    if (!(Math.abs(a - e) <= absolute + relative * Math.abs(e))) {
      return `element ${i} is ${a} instead of ${e}`;
    }
  }
  return undefined;
}

/** Kernel = reference on one random case. @throws with the op, shapes and first wrong element */
export async function checkForward(op: Op<unknown>, device: Device, seed: number): Promise<void> {
  const sample = op.sample(sampleRandom(uniformSource(seed))) as Sample<unknown>;
  const expected = op.reference(sample.inputs, sample.params);
  const actual = await read(op, device, sample);
  expected.forEach((array, k) => {
    const wrong = mismatch(actual[k]!.data, array.data, sample.tolerance);
    if (wrong) throw new Error(`${describe(op, sample)}, output ${k}, seed ${seed}: ${wrong}`);
  });
}

/**
 * vjp = finite differences of the float64 reference, along a random direction for each differentiable input:
 * ⟨vjp(g), v⟩ against (⟨g, f(x + hv)⟩ − ⟨g, f(x − hv)⟩) / 2h. Half of the inputs have a sum of other gradients, which
 * the vjp may take and must then include.
 */
export async function checkVjp(op: Op<unknown>, device: Device, seed: number): Promise<void> {
  if (!op.vjp) return;
  const random = sampleRandom(uniformSource(seed));
  const sample = op.sample(random) as Sample<unknown>;
  const outputs = op.reference(sample.inputs, sample.params);
  const gradients = outputs.map(({ shape, dtype }) =>
    dtype === 'f32' ? random.normals(shape) : null,
  );
  const differentiable = differentiableInputs(op, sample.inputs);
  const needed = sample.inputs.map((_, i) => differentiable.includes(i));

  const sums = sample.inputs.map(({ shape }) =>
    random.uniform() < 0.5 ? random.normals(shape) : undefined,
  );
  const taken = new Map<number, NdArray>();
  const takeSum = (i: number) => {
    const sum = taken.has(i) ? undefined : sums[i];
    if (sum) taken.set(i, sum);
    return sum && upload(sum, device);
  };

  const results = scope(() => {
    const inputs = sample.inputs.map((array) => upload(array, device));
    return op.vjp!({
      inputs,
      outputs: apply(op, inputs, sample.params, device),
      params: sample.params,
      gradients: gradients.map((g) => g && upload(g, device)),
      needed,
      takeSum,
    });
  });
  for (const i of differentiable) {
    const x = sample.inputs[i]!;
    if (sizeOf(x.shape) === 0) continue;
    const result = results[i];
    const actual = result ? await result.data() : new Float32Array(x.data.length);
    if (actual.length !== x.data.length) {
      throw new Error(
        `${describe(op, sample)}: gradient ${i} has shape ${formatShape(result!.shape)}`,
      );
    }
    const direction = random.normals(x.shape).data;
    const slope = slopeAlong(op, sample, gradients, i, direction);
    const numeric = slope + dot(direction, taken.get(i)?.data);
    const analytic = dot(actual, direction);
    const size = Math.sqrt(dot(actual, actual) * dot(direction, direction));
    const slack = 1e-3 * Math.abs(numeric) + 2e-4 * size + 1e-3;
    if (!(Math.abs(numeric - analytic) <= slack)) {
      throw new Error(
        `${describe(op, sample)}, gradient ${i}, seed ${seed}: ${analytic} along a direction, finite differences give ${numeric}`,
      );
    }
  }
  results.forEach((result) => result?.dispose());
}

/** (⟨g, f(x + hv)⟩ − ⟨g, f(x − hv)⟩) / 2h for the reference f, gradients g, and a direction v of input `i`. */
function slopeAlong(
  op: Op<unknown>,
  { inputs, params }: Sample<unknown>,
  gradients: readonly (NdArray | null)[],
  i: number,
  direction: Float64Array,
): number {
  const at = (h: number) => {
    const data = inputs[i]!.data.map((value, j) => value + h * direction[j]!);
    const moved = inputs.map((array, k) => (k === i ? { ...array, data } : array));
    return op
      .reference(moved, params)
      .reduce((total, output, k) => total + dot(output.data, gradients[k]?.data), 0);
  };
  // In float64 a short step is exact enough, and seldom crosses the kink of a max or an abs.
  const h = 1e-7;
  return (at(h) - at(-h)) / (2 * h);
}

/** What a check of an op found. */
export interface OpCheck {
  readonly op: string;
  /** The first deviation, with shapes, values and seed; undefined when all is well. */
  readonly wrong: string | undefined;
}

/** Compares the ops' values and gradients with their references, in `cases` random cases each; one after another. */
export async function* checkOps(
  device: Device,
  { ops = registry, cases = 8 }: { ops?: readonly Op<unknown>[]; cases?: number } = {},
): AsyncGenerator<OpCheck> {
  for (const op of ops) yield { op: op.name, wrong: await deviation(op, device, cases) };
}

async function deviation(
  op: Op<unknown>,
  device: Device,
  cases: number,
): Promise<string | undefined> {
  try {
    for (let seed = 1; seed <= cases; seed++) {
      await checkForward(op, device, seed);
      await checkVjp(op, device, seed);
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number> | undefined): number {
  let sum = 0;
  if (b) for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
