import {
  ndarray,
  sampleRandom,
  sizeOf,
  tensor,
  type Device,
  type NdArray,
  type Op,
  type Sample,
  type Tensor,
} from '@farmer/tensor';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';

/** Elements of the fence on either side; a tensor starts at a multiple of 256 bytes. */
const fence = 1024;
/** NaN as f32, nonsense as an index. */
const canary = 0x7fc0dead;

/** A tensor in the middle of a block whose rest is full of canaries. */
export interface Fenced {
  readonly tensor: Tensor;
  /** How many canaries are gone. What lies in the tensor's own last vec4 may be overwritten. */
  damage(): Promise<number>;
  dispose(): void;
}

export function fenced(device: Device, { shape, dtype, data }: NdArray, fill = true): Fenced {
  const size = sizeOf(shape);
  const padded = Math.ceil(Math.max(1, size) / 4) * 4;
  const words = new Uint32Array(fence + padded + fence).fill(canary);
  const whole = tensor(words, [words.length], 'u32', device);
  const inner = whole.alias(shape, 4 * fence, dtype);
  if (fill) inner.write(data);
  return {
    tensor: inner,
    async damage() {
      const now = await whole.data();
      const outside = (_: number, i: number) => i < fence || i >= fence + padded;
      return Array.from(now)
        .filter(outside)
        .filter((word) => word !== canary).length;
    },
    dispose() {
      inner.dispose();
      whole.dispose();
    },
  };
}

/**
 * Runs an op on fenced tensors: its values do not depend on what lies around its inputs, and nothing around
 * any tensor changes.
 * @returns the outputs
 * @throws where a canary is gone
 */
export async function runFenced<P>(
  op: Op<P>,
  device: Device,
  { inputs, params }: Pick<Sample<P>, 'inputs' | 'params'>,
): Promise<NdArray[]> {
  const specs = op.infer(inputs, params);
  const ins = inputs.map((array) => fenced(device, array));
  const outs = specs.map(({ shape, dtype }) =>
    fenced(device, ndarray(shape, new Float64Array(sizeOf(shape)), dtype), false),
  );
  const tensors = (list: readonly Fenced[]) => list.map((each) => each.tensor);
  device.run(op, tensors(ins), tensors(outs), params);
  const results = [...outs, ...(op.mutates ?? []).map((i) => ins[i]!)].map(({ tensor }) => tensor);
  const arrays = await Promise.all(
    results.map(async (result) => ndarray(result.shape, await result.data(), result.dtype)),
  );
  for (const [i, each] of [...ins, ...outs].entries()) {
    const damage = await each.damage();
    const which = i < ins.length ? `input ${i}` : `output ${i - ins.length}`;
    if (damage > 0) throw new Error(`${op.name}: ${damage} elements around ${which} overwritten`);
  }
  [...ins, ...outs].forEach((each) => each.dispose());
  return arrays;
}

/** Kernel = reference on one random case, between fences. @throws with the op and the first wrong element */
export async function checkFenced(op: Op<unknown>, device: Device, seed: number): Promise<void> {
  const sample = op.sample(sampleRandom(uniformSource(seed))) as Sample<unknown>;
  const expected = op.reference(sample.inputs, sample.params);
  if (expected.every(({ data }) => data.length === 0)) return;
  const actual = await runFenced(op, device, sample);
  expected.forEach((array, k) => {
    const wrong = mismatch(actual[k]!.data, array.data, sample.tolerance);
    if (wrong) throw new Error(`${op.name}, output ${k}, seed ${seed}, between fences: ${wrong}`);
  });
}
