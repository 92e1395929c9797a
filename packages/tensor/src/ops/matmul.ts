import { apply1 } from '../apply.ts';
import { offsetAt } from '../coordinates.ts';
import { runMatmul as runCpuMatmul } from '../cpu/matmul/run.ts';
import { inputNames, type Expression } from '../expression/ast.ts';
import { evaluate } from '../expression/evaluate.ts';
import { parse } from '../expression/parse.ts';
import type { Op, Sample, TensorSpec } from '../op.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import {
  broadcastShapes,
  broadcastStrides,
  formatShape,
  sameShape,
  ShapeError,
  sizeOf,
  type Shape,
} from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { runTunedMatmul } from '../webgpu/matmul/tune.ts';
import { checkFloats } from './check-floats.ts';
import { matmulVjp } from './matmul-vjp.ts';
import { pickInputs, type NamedInputs } from './named-inputs.ts';

export interface MatmulParams {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** The value to store, as a formula in the sum `acc` and the epilogue's inputs. */
  readonly epilogue: Expression;
  /** The names of the epilogue's tensor inputs, in order after a and b. */
  readonly names: readonly string[];
  /** Inputs of the epilogue that are plain numbers. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** Products of matrices over broadcast batch axes, with a pointwise formula applied before the store. */
export const matmulOp: Op<MatmulParams> = {
  name: 'matmul',
  infer: (inputs, params) => [{ shape: outputShape(inputs, params), dtype: 'f32' }],
  reference: matmulReference,
  kernels: { webgpu: runTunedMatmul, cpu: runCpuMatmul },
  flops({ inputs: [a, b], outputs: [y], params }) {
    return 2 * sizeOf(y!.shape) * matrixLengths(a!.shape, b!.shape, params).k;
  },
  vjp: matmulVjp,
  sample: sampleMatmul,
};

/** The lengths m, n, k of a product, from its operands as stored. */
function matrixLengths(a: Shape, b: Shape, { transposeA, transposeB }: MatmulParams) {
  const [m, k] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [n, inner] = transposeB ? [b.at(-2)!, b.at(-1)!] : [b.at(-1)!, b.at(-2)!];
  return { m, n, k, inner };
}

function outputShape(inputs: readonly TensorSpec[], params: MatmulParams): Shape {
  const [a, b] = inputs.map(({ shape }) => shape) as [Shape, Shape];
  const shapes =
    `${formatShape(a)}${params.transposeA ? ' transposed' : ''} and ` +
    `${formatShape(b)}${params.transposeB ? ' transposed' : ''}`;
  if (a.length < 2 || b.length < 2) {
    throw new ShapeError(`matmul: ${shapes} are not both matrices; each needs at least two axes`);
  }
  const { m, n, k, inner } = matrixLengths(a, b, params);
  if (k !== inner) {
    throw new ShapeError(
      `matmul: ${shapes} do not fit: ${k} columns on the left, ${inner} rows on the right; they must be equal`,
    );
  }
  checkFloats('matmul', inputs);
  const shape = [...broadcastShapes('matmul (batch axes)', a.slice(0, -2), b.slice(0, -2)), m, n];
  inputs.slice(2).forEach((input, i) => {
    if (!sameShape(broadcastShapes('matmul (epilogue)', shape, input.shape), shape)) {
      throw new ShapeError(
        `matmul: epilogue input "${params.names[i]}" ${formatShape(input.shape)} does not broadcast to the product's ${formatShape(shape)}`,
      );
    }
  });
  return shape;
}

function matmulReference(inputs: readonly NdArray[], params: MatmulParams): NdArray[] {
  const [a, b, ...extra] = inputs as [NdArray, NdArray, ...NdArray[]];
  const shape = outputShape(inputs, params);
  const { m, n, k } = matrixLengths(a.shape, b.shape, params);
  const batch = shape.slice(0, -2);
  const indexA = indexInto(a.shape.slice(0, -2), batch);
  const indexB = indexInto(b.shape.slice(0, -2), batch);
  const indices = extra.map((array) => indexInto(array.shape, shape));
  const data = new Float64Array(sizeOf(shape));
  const values: Record<string, number> = { ...params.numbers };
  const sums = new Float64Array(n);
  // By rows of the output, so that rows of b are read as they lie: a large product takes minutes else.
  for (let start = 0; start < data.length; start += n) {
    const [row, i] = [(start / n) % m, Math.floor(start / (n * m))];
    const [fromA, fromB] = [indexA(i) * m * k, indexB(i) * k * n];
    sums.fill(0);
    for (let j = 0; j < k; j++) {
      const left = a.data[fromA + (params.transposeA ? j * m + row : row * k + j)]!;
      const first = fromB + (params.transposeB ? j : j * n);
      const step = params.transposeB ? k : 1;
      for (let column = 0; column < n; column++) {
        sums[column]! += left * b.data[first + column * step]!;
      }
    }
    for (let at = start; at < start + n; at++) {
      values.acc = sums[at - start]!;
      extra.forEach((array, e) => (values[params.names[e]!] = array.data[indices[e]!(at)]!));
      data[at] = evaluate(params.epilogue, values);
    }
  }
  return [ndarray(shape, data)];
}

/** Maps a row-major index into `target` to one into `shape`, which broadcasts to it. */
function indexInto(shape: Shape, target: Shape): (index: number) => number {
  const strides = broadcastStrides(shape, target);
  return (index) => offsetAt(index, target, strides);
}

export interface MatmulOptions {
  /** a is stored as [..., K, M]; read in place. */
  transposeA?: boolean;
  /** b is stored as [..., N, K]; read in place. */
  transposeB?: boolean;
  /** A formula in the sum `acc` and named inputs, such as 'gelu(acc + bias)'. */
  epilogue?: string | Expression;
  /** The formula's inputs: numbers, or tensors that broadcast to the product. */
  inputs?: NamedInputs;
}

/**
 * The matrix product a [..., M, K] · b [..., K, N] → [..., M, N] over broadcast batch axes, with an optional
 * pointwise formula fused into the store. With b of rank 2 it is one product over all rows of a.
 *
 *     matmul(x, weight, { epilogue: 'gelu(acc + bias)', inputs: { bias } })
 *
 * @throws ShapeError when the operands or an epilogue's input do not fit
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, epilogue = 'acc', inputs = {} } = options;
  const expression = typeof epilogue === 'string' ? parse(epilogue) : epilogue;
  const used = inputNames(expression).filter((name) => name !== 'acc');
  const { names, tensors, numbers } = pickInputs('matmul', used, inputs);
  const params = { transposeA, transposeB, epilogue: expression, names, numbers };
  return apply1(matmulOp, [a, b, ...tensors], params);
}

const sampleEpilogues = [
  'acc',
  'acc',
  'acc + x',
  'gelu(acc + x)',
  'acc * scale + x * y',
  'silu(acc) + y',
];

function sampleMatmul(random: SampleRandom): Sample<MatmulParams> {
  const flip = () => random.uniform() < 0.5;
  // Now and then whole vec4s, or a long sum with few outputs, as in the gradient of a weight.
  const long = random.uniform() < 0.2;
  const unit = flip() ? 4 : 1;
  const length = (max: number) => random.length(max) * unit;
  const batch = long ? [] : random.shape(random.integer(0, 3), 3);
  const [m, n, k] = [
    random.length(),
    length(33),
    long ? 4 * 700 + random.integer(0, 9) : length(65),
  ];
  const reduced = (shape: Shape) => {
    const kept = shape.map((l) => (random.uniform() < 0.3 ? 1 : l));
    return kept.slice(random.uniform() < 0.3 ? random.integer(0, shape.length) : 0);
  };
  const [transposeA, transposeB] = [flip(), flip()];
  const a = [...batch, ...(transposeA ? [k, m] : [m, k])];
  const b = [...reduced(batch), ...(transposeB ? [n, k] : [k, n])];
  const epilogue = parse(random.pick(sampleEpilogues));
  const names = inputNames(epilogue).filter((name) => name !== 'acc' && name !== 'scale');
  const extra = names.map(() => random.normals(reduced([...batch, m, n])));
  const numbers: Record<string, number> = inputNames(epilogue).includes('scale')
    ? { scale: 0.7 }
    : {};
  return {
    inputs: [random.normals(a), random.normals(b, 1 / Math.sqrt(k)), ...extra],
    params: { transposeA, transposeB, epilogue, names, numbers },
    tolerance: { absolute: 1e-5 + 1e-8 * k, relative: 2e-5 },
  };
}
