import { apply1 } from '../apply.ts';
import { substitute, type Expression } from '../expression/ast.ts';
import { parse } from '../expression/parse.ts';
import type { Op, Sample, VjpCall } from '../op.ts';
import type { SampleRandom } from '../sample.ts';
import { broadcastShapes, formatShape, ShapeError, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mapReduceKernel } from '../webgpu/map-reduce.ts';
import { map, mapOp, type MapParams } from './map.ts';
import { broadcastInputs, type NamedInputs } from './named-inputs.ts';
import { logSumExp, logSumExpOp, max, maxOp, sum, sumOp } from './reduce.ts';
import { reshape } from './reshape.ts';

export type RowReduce = 'sum' | 'max' | 'logSumExp';

export interface MapReduceParams {
  readonly expression: Expression;
  /** The names of the tensor inputs, in order. */
  readonly names: readonly string[];
  readonly numbers: Readonly<Record<string, number>>;
  readonly reduce: RowReduce;
}

const reductions = { sum, max, logSumExp };
const reductionOps = { sum: sumOp, max: maxOp, logSumExp: logSumExpOp };

/** A pointwise formula over broadcast inputs, reduced over the last axis without storing its values. */
export const mapReduceOp: Op<MapReduceParams> = {
  name: 'mapReduce',
  infer(inputs) {
    const shape = broadcastShapes('mapReduce', ...inputs.map((spec) => spec.shape));
    if (shape.length === 0 || inputs.some(({ dtype }) => dtype !== 'f32')) {
      const given = inputs.map((spec) => `${spec.dtype} ${formatShape(spec.shape)}`);
      throw new ShapeError(
        `mapReduce: needs f32 inputs with at least one axis, got ${given.join(', ')}`,
      );
    }
    return [{ shape: shape.slice(0, -1), dtype: 'f32' }];
  },
  reference(inputs, params) {
    const values = mapOp.reference(inputs, mapParams(params));
    const axes = [values[0]!.shape.length - 1];
    return reductionOps[params.reduce].reference(values, { axes, keepDims: false });
  },
  kernels: { webgpu: mapReduceKernel },
  decompose: (inputs, params) => {
    const values = map(params.expression, named(inputs, params));
    return [reductions[params.reduce](values, { axes: [-1] })];
  },
  vjp(call) {
    const { inputs, outputs, params, gradients, needed } = call;
    const [g, y] = [gradients[0], outputs[0]!];
    if (!g) return inputs.map(() => null);
    const column = [...y.shape, 1];
    const gradient = reshape(g, column);
    if (params.reduce === 'logSumExp') {
      // With y held fixed, ∂ log Σ exp(e) = Σ ∂ exp(e − y).
      const shifted: MapParams = {
        ...mapParams(params),
        expressions: [shiftedExponential(params.expression)],
        names: [...params.names, 'rowResult_'],
      };
      return mapVjp({ ...call, inputs: [...inputs, reshape(y, column)] }, shifted, gradient, [
        ...needed,
        false,
      ]).slice(0, inputs.length);
    }
    const weight = params.reduce === 'max' ? shareAmongMaxima(inputs, params, gradient) : gradient;
    return mapVjp(call, mapParams(params), weight, needed);
  },
  sample: sampleMapReduce,
};

function mapParams({ expression, names, numbers }: MapReduceParams): MapParams {
  return { expressions: [expression], names, numbers, dtype: 'f32' };
}

function named(
  inputs: readonly Tensor[],
  { names, numbers }: MapReduceParams,
): Record<string, Tensor | number> {
  return { ...numbers, ...Object.fromEntries(inputs.map((tensor, i) => [names[i]!, tensor])) };
}

function mapVjp(
  { inputs, outputs, takeSum }: VjpCall<MapReduceParams>,
  params: MapParams,
  gradient: Tensor,
  needed: readonly boolean[],
): (Tensor | null)[] {
  return mapOp.vjp!({ inputs, outputs, params, gradients: [gradient], needed, takeSum });
}

// Kernels are cached by expression objects, so one expression must always give the same object.
const shiftedExponentials = new WeakMap<Expression, Expression>();

/** exp(e − rowResult_), 0 where the whole row is −∞. */
function shiftedExponential(e: Expression): Expression {
  let made = shiftedExponentials.get(e);
  if (!made) {
    const template = parse('exp(value_ - max(rowResult_, -3.4e38))');
    shiftedExponentials.set(e, (made = substitute(template, { value_: e })));
  }
  return made;
}

/** The gradient of each value: equal maxima share their row's. The values are computed once more and stored. */
function shareAmongMaxima(inputs: readonly Tensor[], params: MapReduceParams, g: Tensor): Tensor {
  const values = map(params.expression, named(inputs, params));
  const extreme = max(values, { axes: [-1], keepDims: true });
  const chosen = map('values == extreme', { values, extreme });
  return map('g * chosen / count', {
    g,
    chosen,
    count: sum(chosen, { axes: [-1], keepDims: true }),
  });
}

function sampleMapReduce(random: SampleRandom): Sample<MapReduceParams> {
  const reduce = random.pick<RowReduce>(['sum', 'max', 'logSumExp']);
  // Among many rows some maximum is nearly shared, and there finite differences see the other one.
  const manyRows = reduce === 'max' ? 9 : 65536 + random.integer(0, 9);
  const rank = random.integer(1, 4);
  const shape = random.pick([
    () => random.shape(rank, 9),
    () => random.shape(rank, 9),
    () => random.shape(rank, 9),
    () => [random.integer(1, 40), random.length(257)],
    () => [random.integer(1, 40), random.length(257)],
    () => [manyRows, 3],
  ])();
  const kept = (axis: number, length: number) =>
    axis === shape.length - 1 || random.uniform() < 0.5 ? length : 1;
  const smaller: Shape[] = [
    shape.map((length, axis) => kept(axis, length)),
    [...shape.slice(0, -1).map((length, axis) => kept(axis, length)), 1],
  ];
  const inputs = [shape, ...smaller].map((own) => random.normals(own));
  const expression = parse(
    random.pick(['(x - z) * (x - z) * y', 'x * y + scale * z', 'tanh(x) - y * exp(-z)']),
  );
  return {
    inputs,
    params: { expression, names: ['x', 'y', 'z'], numbers: { scale: 0.7 }, reduce },
    tolerance: { absolute: 3e-5, relative: 2e-5 },
  };
}

/**
 * Reduces a pointwise formula over the last axis of its inputs' common shape, in one kernel:
 *
 *     mapReduce('(x - mean) * (x - mean)', { x, mean }, { reduce: 'sum' })
 *
 * @param inputs f32 tensors, or numbers (which compile to nothing new when they change)
 * @returns the broadcast shape without its last axis
 * @throws ExpressionError for a formula that does not parse, ShapeError for shapes that do not fit
 */
export function mapReduce(
  expression: string | Expression,
  inputs: NamedInputs,
  { reduce }: { reduce: RowReduce },
): Tensor {
  const parsed = typeof expression === 'string' ? parse(expression) : expression;
  const { names, tensors, numbers } = broadcastInputs('mapReduce', [parsed], inputs);
  const shape = broadcastShapes('mapReduce', ...tensors.map((tensor) => tensor.shape));
  // One team a row is too few for a very long row; two passes cut it into chunks.
  if ((shape.at(-1) ?? 0) > 16384) {
    return reductions[reduce](map(parsed, inputs), { axes: [-1] });
  }
  return apply1(mapReduceOp, tensors, { expression: parsed, names, numbers, reduce });
}
