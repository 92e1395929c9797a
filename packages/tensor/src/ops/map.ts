import { apply } from '../apply.ts';
import { computeType } from '../compute-type.ts';
import { offsetAt } from '../coordinates.ts';
import { mapKernel } from '../cpu/map.ts';
import type { DType } from '../dtype.ts';
import { constant, input, type Expression } from '../expression/ast.ts';
import { differentiate } from '../expression/differentiate.ts';
import { evaluate } from '../expression/evaluate.ts';
import { parse } from '../expression/parse.ts';
import { call } from '../expression/simplify.ts';
import { loopNest } from '../broadcast.ts';
import { WeakMemo } from '../memo.ts';
import type { Op, Sample, VjpCall } from '../op.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { broadcastShapes, sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { pointwiseKernel } from '../webgpu/pointwise.ts';
import { broadcastInputs, type NamedInputs } from './named-inputs.ts';
import { sumTo } from './sum-to.ts';

export interface MapParams {
  /** One output each, all of the inputs' common broadcast shape. */
  readonly expressions: readonly Expression[];
  /** The names of the tensor inputs, in order. */
  readonly names: readonly string[];
  /** Inputs that are plain numbers: parameters of the kernel, so that a new value compiles nothing. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly dtype: DType;
}

/** Pointwise formulas over broadcast inputs, fused into one kernel with one output per formula. */
export const mapOp: Op<MapParams> = {
  name: 'map',
  infer(inputs, { expressions, dtype }) {
    const shape = broadcastShapes('map', ...inputs.map((spec) => spec.shape));
    return expressions.map(() => ({ shape, dtype }));
  },
  reference(inputs, params) {
    const shape = broadcastShapes('map', ...inputs.map(({ shape }) => shape));
    const { lengths, strides } = loopNest(
      shape,
      inputs.map((array) => array.shape),
    );
    const truncate = params.dtype !== 'f32';
    const compute = computeType(inputs);
    const data = params.expressions.map(() => new Float64Array(sizeOf(shape)));
    const values: Record<string, number> = { ...params.numbers };
    for (let i = 0; i < sizeOf(shape); i++) {
      inputs.forEach((array, k) => {
        values[params.names[k]!] = array.data[offsetAt(i, lengths, strides[k]!)]!;
      });
      params.expressions.forEach((expression, k) => {
        const value = evaluate(expression, values, compute);
        data[k]![i] = truncate ? Math.trunc(value) : value;
      });
    }
    return data.map((values) => ndarray(shape, values, params.dtype));
  },
  kernels: { webgpu: pointwiseKernel, cpu: mapKernel },
  vjp({ inputs, params, gradients, needed }: VjpCall<MapParams>) {
    const wanted = inputs
      .map((tensor, i) => ({
        tensor,
        i,
        expression: needed[i] ? gradientOf(params, i, gradients) : zero,
      }))
      .filter(({ expression }) => expression !== zero);
    const result: (Tensor | null)[] = inputs.map(() => null);
    if (wanted.length === 0) return result;
    const named: Record<string, Tensor | number> = { ...params.numbers };
    inputs.forEach((tensor, i) => (named[params.names[i]!] = tensor));
    gradients.forEach((gradient, k) => gradient && (named[gradientName(k)] = gradient));
    const full = mapMany(
      wanted.map(({ expression }) => expression),
      named,
    );
    wanted.forEach(({ tensor, i }, k) => (result[i] = sumTo(full[k]!, tensor.shape)));
    return result;
  },
  sample: sampleMap,
};

const zero = constant(0);
const gradientName = (output: number) => `gradient_${output}`;

// Derivatives by first expression: kernels are cached by expression objects, so these must be the same each step.
const derivatives = new WeakMemo<Expression, Expression>();

/** Σ over outputs of gradient · ∂output/∂input; the `zero` object where the input has no influence. */
function gradientOf(
  params: MapParams,
  i: number,
  gradients: VjpCall<MapParams>['gradients'],
): Expression {
  const [first, ...rest] = params.expressions;
  const name = params.names[i]!;
  const key = JSON.stringify([name, gradients.map((gradient) => gradient !== null), rest]);
  return derivatives.get(first!, key, () => {
    const sum = params.expressions.reduce<Expression>((total, expression, k) => {
      if (!gradients[k]) return total;
      const partial = differentiate(expression, name);
      return call('add', [total, call('multiply', [input(gradientName(k)), partial])]);
    }, zero);
    return sum.kind === 'constant' && sum.value === 0 ? zero : sum;
  });
}

/**
 * Evaluates a pointwise formula over named inputs in one fused kernel, with numpy broadcasting.
 *
 *     map('(x - shift) * exp(-logScale)', { x, shift, logScale })
 *
 * @param inputs tensors, or numbers (which compile to nothing new when they change)
 * @param dtype of the result; by default f32, or the inputs' integer type if all of them share it
 * @throws ExpressionError for a formula that does not parse, ShapeError for shapes that do not broadcast
 */
export function map(
  expression: string | Expression,
  inputs: NamedInputs,
  options: { dtype?: DType } = {},
): Tensor {
  return mapMany([expression], inputs, options)[0]!;
}

/** Several formulas over the same inputs in one kernel; one tensor each, all of the common broadcast shape. */
export function mapMany(
  expressions: readonly (string | Expression)[],
  inputs: NamedInputs,
  options: { dtype?: DType } = {},
): Tensor[] {
  const parsed = expressions.map((e) => (typeof e === 'string' ? parse(e) : e));
  const { names, tensors, numbers } = broadcastInputs('map', parsed, inputs);
  const dtype = options.dtype ?? computeType(tensors);
  return apply(mapOp, tensors, { expressions: parsed, names, numbers, dtype });
}

const sampleFormulas = [
  'x + y * z',
  '(x - y) * exp(-z)',
  'where(x < y, sin(x), sin(y)) * cos(z)',
  'tanh(x) * sigmoid(y) - erf(z)',
  'gelu(x) + geluTanh(y) * silu(z)',
  'softplus(x) / sqrt(1 + y * y) + log1p(abs(z))',
  'expm1(x) + log(1 + y * y) + rsqrt(0.5 + z * z)',
  'clamp(x, -1.03, 1.07) * squareplus(y) + max(x, z) - min(y, 0.013)',
  'pow(1 + abs(x), y) + abs(z) + 0.3',
];
// Jumps, on which finite differences fail; exact in f32, so that no rounding lands on the other side of one.
const steppedFormula = 'floor(x * 4) + round(y * 4) * sign(z)';
/** Of integers, y not 0; differences of unsigned ones wrap, and the constant is none of float32's. */
const integerFormulas = [
  'x / y + z',
  'x * y - z',
  'where(x < y, min(x, z), max(y, z))',
  'abs(x) - round(-z) * sign(x) + 16777217 * floor(y)',
];

function sampleMap(random: SampleRandom): Sample<MapParams> {
  const rank = random.integer(0, 5);
  const shape = random.shape(rank, rank > 3 ? 4 : 33);
  const reduced = () => {
    const kept = shape.map((length) => (random.uniform() < 0.3 ? 1 : length));
    return kept.slice(random.uniform() < 0.3 ? random.integer(0, rank) : 0);
  };
  const shapes = [shape, reduced(), reduced()];
  const sample = (inputs: NdArray[], formulas: readonly string[], dtype: DType) => {
    const names = ['x', 'y', 'z'];
    return { inputs, params: { expressions: formulas.map(parse), names, numbers: {}, dtype } };
  };
  const kind = random.uniform();
  if (kind < 0.15) {
    const dtype = random.pick(['i32', 'u32'] as const);
    const inputs = shapes.map((own, i) => {
      return random.integers(own, dtype === 'i32' && i !== 1 ? -99 : 1, 99, dtype);
    });
    const exact = { absolute: 0, relative: 0 };
    return { ...sample(inputs, [random.pick(integerFormulas)], dtype), tolerance: exact };
  }
  const inputs = shapes.map((own) => random.normals(own));
  if (kind < 0.3) return sample(inputs, [steppedFormula], 'i32');
  const formulas = [1, 2].map(() => random.pick(sampleFormulas));
  return sample(inputs, formulas, 'f32');
}
