import { scope, type Tensor } from '@farmer/tensor';
import { valueAndGrad } from './grad.ts';

export interface GradCheckReport {
  /** |analytic − numeric| relative to the size of the gradient, over all directions. */
  readonly worst: number;
  readonly analytic: readonly number[];
  readonly numeric: readonly number[];
}

/**
 * Compares gradients with central finite differences along random directions, on the device, in float32:
 * expect a `worst` of about 1e-3 to 1e-2 for a smooth loss.
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
    const size = norm(gradient) + 1e-6;
    for (let d = 0; d < directions; d++) {
      const direction = unitVector(values.length, random);
      const at = async (h: number) => {
        input.write(values.map((value, j) => value + h * direction[j]!));
        const result = scope(loss);
        const value = await result.item();
        result.dispose();
        return value;
      };
      const slope = ((await at(step)) - (await at(-step))) / (2 * step);
      const expected = gradient.reduce((sum, g, j) => sum + g * direction[j]!, 0);
      analytic.push(expected);
      numeric.push(slope);
      worst = Math.max(worst, Math.abs(slope - expected) / size);
    }
    input.write(values);
  }
  return { worst, analytic, numeric };
}

function unitVector(length: number, random: () => number): Float32Array {
  const vector = Float32Array.from({ length }, () => random() + random() + random() - 1.5);
  const size = norm(vector) || 1;
  return vector.map((value) => value / size);
}

function norm(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
