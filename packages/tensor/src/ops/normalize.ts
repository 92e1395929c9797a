import { apply } from '../apply.ts';
import * as cpu from '../cpu/normalize.ts';
import type { Op, Sample, TensorSpec } from '../op.ts';
import { rowsOf } from '../reference-rows.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, ShapeError } from '../shape.ts';
import { normalizeRows, normalizeRowsGradient } from '../webgpu/normalize.ts';

/** Layer norm centres a row and then scales it; RMS norm only scales it. */
export type Norm = 'layer' | 'rms';

export interface NormParams {
  readonly epsilon: number;
}

/**
 * The op y = x̂ · scale (+ shift) and its gradient op, where x̂ = (x − mean) / √(variance + ε) over the last axis;
 * RMS norm takes the mean as 0 and has no shift.
 */
export function normOps(
  name: string,
  norm: Norm,
): { forward: Op<NormParams>; gradient: Op<NormParams> } {
  const parameters = norm === 'layer' ? 2 : 1;
  const gradient: Op<NormParams> = {
    name: `${name}Gradient`,
    // x, scale, g, and perhaps a tensor to add to the gradient of x.
    infer([x, scale, g]) {
      checkFits(`${name}Gradient`, [x!, scale!]);
      return [g!, ...Array.from({ length: parameters }, () => scale!)].map(({ shape }) => ({
        shape,
        dtype: 'f32' as const,
      }));
    },
    reference([x, scale, g, sum], { epsilon }) {
      const [dx, ...rest] = referenceGradient(norm, x!, scale!, g!, epsilon);
      if (sum) dx!.data.forEach((value, i) => (dx!.data[i] = value + sum.data[i]!));
      return [dx!, ...rest.slice(0, parameters)];
    },
    kernels: {
      webgpu: (run, { inputs, outputs, params: { epsilon } }) =>
        normalizeRowsGradient(run, norm, rowsOf(inputs[0]!.shape), inputs, outputs, epsilon),
      cpu: (run, { inputs, outputs, params: { epsilon } }) =>
        cpu.normalizeRowsGradient(run, norm, rowsOf(inputs[0]!.shape), inputs, outputs, epsilon),
    },
    sample(random) {
      const { inputs, params, tolerance } = sampleNorm(random, 1);
      const values = Array.from({ length: random.integer(1, 2) }, () =>
        random.normals(inputs[0]!.shape),
      );
      return { inputs: [...inputs, ...values], params, tolerance };
    },
  };
  const forward: Op<NormParams> = {
    name,
    infer(inputs) {
      checkFits(name, inputs);
      return [{ shape: inputs[0]!.shape, dtype: 'f32' }];
    },
    reference: ([x, scale, shift], { epsilon }) => [
      referenceNorm(norm, x!, scale!, shift, epsilon),
    ],
    kernels: {
      webgpu: (run, { inputs, outputs: [y], params: { epsilon } }) =>
        normalizeRows(run, norm, rowsOf(y!.shape), inputs, y!, epsilon),
      cpu: (run, { inputs, outputs: [y], params: { epsilon } }) =>
        cpu.normalizeRows(run, norm, rowsOf(y!.shape), inputs, y!, epsilon),
    },
    vjp({ inputs: [x, scale], gradients: [g], params, takeSum }) {
      if (!g) return Array.from({ length: 1 + parameters }, () => null);
      const sum = takeSum(0);
      return apply(gradient, [x!, scale!, g, ...(sum ? [sum] : [])], params);
    },
    sample: (random) => sampleNorm(random, parameters),
  };
  return { forward, gradient };
}

function checkFits(op: string, [x, ...parameters]: readonly TensorSpec[]): void {
  const length = x!.shape.at(-1);
  const fits = parameters.every(({ shape }) => shape.length === 1 && shape[0] === length);
  if (!fits || [x!, ...parameters].some(({ dtype }) => dtype !== 'f32')) {
    const given = parameters.map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`);
    throw new ShapeError(
      `${op}: x ${x!.dtype} ${formatShape(x!.shape)} and parameters ${given.join(', ')} do not fit; ` +
        `needs f32 x [..., D] and f32 parameters [D]`,
    );
  }
}

/** Normalised values and factors 1/√(variance + ε) of each row. */
function normalized(
  norm: Norm,
  x: NdArray,
  epsilon: number,
): { xHat: number[]; factors: number[] } {
  const [rows, length] = rowsOf(x.shape);
  const xHat: number[] = [];
  const factors: number[] = [];
  for (let row = 0; row < rows; row++) {
    const own = Array.from(x.data.subarray(row * length, (row + 1) * length));
    const center = norm === 'layer' ? average(own) : 0;
    const factor = 1 / Math.sqrt(average(own.map((v) => (v - center) ** 2)) + epsilon);
    factors.push(factor);
    for (const value of own) xHat.push((value - center) * factor);
  }
  return { xHat, factors };
}

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function referenceNorm(
  norm: Norm,
  x: NdArray,
  scale: NdArray,
  shift: NdArray | undefined,
  epsilon: number,
): NdArray {
  const { xHat } = normalized(norm, x, epsilon);
  const length = scale.data.length;
  const values = xHat.map(
    (value, i) => value * scale.data[i % length]! + (shift?.data[i % length] ?? 0),
  );
  return ndarray(x.shape, values);
}

function referenceGradient(
  norm: Norm,
  x: NdArray,
  scale: NdArray,
  g: NdArray,
  epsilon: number,
): NdArray[] {
  const [rows, length] = rowsOf(x.shape);
  const { xHat, factors } = normalized(norm, x, epsilon);
  const dx = new Float64Array(rows * length);
  const dScale = new Float64Array(length);
  const dShift = new Float64Array(length);
  for (let row = 0; row < rows; row++) {
    const at = (i: number) => row * length + i;
    const h = Array.from(scale.data, (s, i) => s * g.data[at(i)]!);
    const meanH = norm === 'layer' ? average(h) : 0;
    const meanHX = average(h.map((value, i) => value * xHat[at(i)]!));
    for (let i = 0; i < length; i++) {
      dx[at(i)] = factors[row]! * (h[i]! - meanH - xHat[at(i)]! * meanHX);
      dScale[i]! += g.data[at(i)]! * xHat[at(i)]!;
      dShift[i]! += g.data[at(i)]!;
    }
  }
  return [ndarray(x.shape, dx), ndarray(scale.shape, dScale), ndarray(scale.shape, dShift)];
}

function sampleNorm(random: SampleRandom, parameters: number): Sample<NormParams> {
  const shape = random.pick([
    () => random.shape(random.integer(1, 4), 9),
    () => random.shape(random.integer(1, 4), 9),
    () => random.shape(random.integer(1, 3), 17),
    () => [random.integer(1, 300), random.pick([3, 31, 64, 192])],
    () => [3, 2 * random.integer(1100, 2000)],
    () => [65536 + random.integer(0, 9), 2],
  ])();
  const length = shape.at(-1)!;
  const vectors = Array.from({ length: parameters }, () => random.normals([length]));
  return {
    inputs: [random.normals(shape), ...vectors],
    params: { epsilon: random.pick([1e-2, 1e-1]) },
    // A parameter's gradient is a sum over all rows.
    tolerance: { absolute: 3e-5 + 1e-6 * Math.sqrt(rowsOf(shape)[0]), relative: 3e-5 },
  };
}
