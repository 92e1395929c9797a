import { filledBuffer, probeKernel, readFloats, storageBuffer } from './probe-kernel.ts';

/** How far a function of the shader language strays from JavaScript's over a range of arguments. */
export interface FunctionAccuracy {
  readonly name: string;
  readonly range: readonly [number, number];
  readonly maxAbsolute: number;
  readonly maxRelative: number;
  /** How many of the results are NaN or infinite where the true value is finite. */
  readonly nonFinite: number;
  /** The smallest argument, in magnitude, that gave one of those. */
  readonly nonFiniteAt?: number;
}

interface Case {
  readonly name: string;
  readonly range: readonly [number, number];
  /** Arguments evenly spaced in their logarithm. */
  readonly logarithmic?: boolean;
  readonly reference: (x: number) => number;
}

/** Ranges in which float32 results are normal numbers. */
const CASES: readonly Case[] = [
  { name: 'exp', range: [-87, 88], reference: Math.exp },
  { name: 'log', range: [1e-37, 1e38], logarithmic: true, reference: Math.log },
  { name: 'tanh', range: [-100, 100], reference: Math.tanh },
  { name: 'sin', range: [-2 * Math.PI, 2 * Math.PI], reference: Math.sin },
  { name: 'cos', range: [-2 * Math.PI, 2 * Math.PI], reference: Math.cos },
];

const COUNT = 16384;

const shader = (name: string) => `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = ${name}(x[id.x]);
}`;

function samples({ range: [low, high], logarithmic }: Case): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: COUNT }, (_, i) => {
    const at = i / (COUNT - 1);
    return logarithmic ? low * (high / low) ** at : low + (high - low) * at;
  });
}

function compare(test: Case, arguments_: Float32Array, results: Float32Array): FunctionAccuracy {
  let [maxAbsolute, maxRelative, nonFinite, nonFiniteAt] = [0, 0, 0, Infinity];
  arguments_.forEach((x, i) => {
    const expected = test.reference(x);
    const result = results[i] ?? NaN;
    if (!Number.isFinite(result)) {
      nonFinite++;
      if (Math.abs(x) < Math.abs(nonFiniteAt)) nonFiniteAt = x;
      return;
    }
    const error = Math.abs(result - expected);
    maxAbsolute = Math.max(maxAbsolute, error);
    if (expected !== 0) maxRelative = Math.max(maxRelative, error / Math.abs(expected));
  });
  const { name, range } = test;
  const where = nonFinite === 0 ? {} : { nonFiniteAt };
  return { name, range, maxAbsolute, maxRelative, nonFinite, ...where };
}

/** Measures exp, log, tanh, sin and cos of this device against JavaScript's float64 ones. */
export async function measureAccuracy(device: GPUDevice): Promise<FunctionAccuracy[]> {
  const reports: FunctionAccuracy[] = [];
  for (const test of CASES) {
    const x = samples(test);
    const input = filledBuffer(device, x);
    const output = storageBuffer(device, x.byteLength);
    const kernel = await probeKernel(device, shader(test.name), [input, output], [COUNT / 64, 1]);
    await kernel.run(1);
    reports.push(compare(test, x, await readFloats(device, output)));
    input.destroy();
    output.destroy();
  }
  return reports;
}
