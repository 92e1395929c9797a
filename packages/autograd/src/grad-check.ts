import { scope, type Tensor } from '@farmer/tensor';
import { valueAndGrad } from './grad.ts';

/** What `gradCheck` found; the slopes along each direction of each input, in order. */
export interface GradCheckReport {
  /** The largest |analytic − numeric| beyond the loss's own rounding, relative to the size of the gradient. */
  readonly worst: number;
  readonly analytic: readonly number[];
  readonly numeric: readonly number[];
}

/** Relative error of a loss that sums many float32 terms. */
const lossRounding = 2 ** -20;

/**
 * Compares gradients with central finite differences on the device, in float32: expect a `worst` of about 1e-3 to
 * 1e-2 for a smooth loss. Directions lie halfway between the gradient, for a strong signal, and a random one, for
 * what the gradient may miss.
 * @param loss computes the scalar loss from the present values of `inputs`
 * @param inputs tensors to differentiate by; moved and restored
 */
export async function gradCheck(
  loss: () => Tensor,
  inputs: readonly Tensor[],
  options: { directions?: number; step?: number; random?: () => number } = {},
): Promise<GradCheckReport> {
  const { directions = 3, step = 1e-2, random = Math.random } = options;
  const { gradients } = valueAndGrad(loss, inputs);
  const analytic: number[] = [];
  const numeric: number[] = [];
  let worst = 0;
  for (const [i, input] of inputs.entries()) {
    const values = Float32Array.from(await input.data());
    const gradient = Float32Array.from(await gradients[i]!.data());
    gradients[i]!.dispose();
    const size = norm(gradient);
    for (let d = 0; d < directions; d++) {
      const direction = halfwayDirection(gradient, random);
      const at = async (h: number) => {
        input.write(values.map((value, j) => value + h * direction[j]!));
        const result = scope(loss);
        const value = await result.item();
        result.dispose();
        return value;
      };
      const [above, below] = [await at(step), await at(-step)];
      const slope = (above - below) / (2 * step);
      const rounding = (Math.abs(above) * lossRounding) / step;
      const expected = gradient.reduce((sum, g, j) => sum + g * direction[j]!, 0);
      analytic.push(expected);
      numeric.push(slope);
      worst = Math.max(worst, (Math.abs(slope - expected) - rounding) / (size + rounding));
    }
    input.write(values);
  }
  return { worst, analytic, numeric };
}

function halfwayDirection(gradient: Float32Array, random: () => number): Float32Array {
  const noise = unit(gradient.map(() => random() + random() + random() - 1.5));
  const along = unit(gradient);
  return unit(along.map((value, i) => value + noise[i]!));
}

function unit(vector: Float32Array): Float32Array {
  const size = norm(vector) || 1;
  return vector.map((value) => value / size);
}

function norm(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
