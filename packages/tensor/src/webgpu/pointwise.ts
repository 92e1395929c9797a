import { loopNest, type LoopNest } from '../broadcast.ts';
import { computeType } from '../compute-type.ts';
import type { DType } from '../dtype.ts';
import type { Expression } from '../expression/ast.ts';
import { expressionToWgsl } from '../expression/wgsl.ts';
import { WeakMemo } from '../memo.ts';
import type { MapParams } from '../ops/map.ts';
import type { Tensor } from '../tensor.ts';
import {
  kernel,
  type Kernel,
  type KernelRun,
  type UniformType,
  type WebGpuKernel,
} from './kernel.ts';
import { walkGrid, walkSize, walkUniforms, walkWgsl } from './walk.ts';
import { elementType } from './wgsl.ts';

/** Runs a `map` as one dispatch, or as several where the adapter binds too few buffers. */
export const pointwiseKernel: WebGpuKernel<MapParams> = (run, { inputs, outputs, params }) => {
  const room = run.capabilities.limits.maxStorageBuffersPerShaderStage - inputs.length;
  if (room < 1) throw new Error(`map: ${inputs.length} inputs are more than this adapter can bind`);
  const nest = loopNest(
    outputs[0]!.shape,
    inputs.map((tensor) => tensor.shape),
  );
  for (let start = 0; start < outputs.length; start += room) {
    const some = outputs.slice(start, start + room);
    dispatch(run, nest, inputs, some, {
      ...params,
      expressions: params.expressions.slice(start, start + room),
    });
  }
};

function dispatch(
  run: KernelRun,
  { lengths, strides }: LoopNest,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  params: MapParams,
): void {
  const last = lengths.length - 1;
  // Four elements an invocation where rows are whole vec4s; one row alone may run into its padding.
  const vectorized = lengths.length === 1 || lengths[last]! % 4 === 0;
  const width = vectorized ? 4 : 1;
  const plan: KernelPlan = {
    size: walkSize(run.capabilities),
    rank: lengths.length,
    width,
    inputs: inputs.map(({ dtype }, i) => ({
      name: params.names[i]!,
      dtype,
      vector: strides[i]![last] === 1,
      outerStrides: strides[i]!.slice(0, last).map((stride) => stride !== 0),
    })),
    outputs: outputs.map(({ dtype }) => dtype),
    numbers: Object.keys(params.numbers),
    compute: computeType(inputs),
  };
  const groups = lengths.map((length, axis) =>
    axis === last ? Math.ceil(length / width) : length,
  );
  const grid = walkGrid(run, groups);
  const uniforms = [
    ...grid.uniforms,
    ...plan.inputs.flatMap(({ vector }, i) =>
      // A vectorised input is indexed in vec4s, a broadcast one in elements.
      strides[i]!.slice(0, last)
        .filter((stride) => stride !== 0)
        .map((stride) => (vector ? stride / width : stride)),
    ),
    ...Object.values(params.numbers),
  ];
  run.dispatch(
    compile(plan, params.expressions),
    [...inputs, ...outputs],
    uniforms,
    grid.workgroups,
  );
}

/** What is baked into a pointwise kernel beside its expressions. */
interface KernelPlan {
  /** Invocations of a workgroup. */
  readonly size: number;
  readonly rank: number;
  readonly width: number;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: DType;
    /** Walks the last axis (stride 1), or is constant on it (stride 0). */
    readonly vector: boolean;
    /** Which outer axes it walks. */
    readonly outerStrides: readonly boolean[];
  }[];
  readonly outputs: readonly DType[];
  readonly numbers: readonly string[];
  readonly compute: DType;
}

const compiled = new WeakMemo<Expression, Kernel>();

function compile(plan: KernelPlan, expressions: readonly Expression[]): Kernel {
  const [first, ...rest] = expressions;
  const key = JSON.stringify([plan, rest]);
  return compiled.get(first!, key, () => pointwiseWgsl(plan, expressions));
}

function pointwiseWgsl(plan: KernelPlan, expressions: readonly Expression[]): Kernel {
  const { size, rank, width, inputs, outputs, numbers, compute } = plan;
  const typed = (dtype: DType) => elementType(dtype, width);
  const T = typed(compute);
  const bindings: Record<string, Kernel['bindings'][string]> = {};
  inputs.forEach(({ dtype, vector }, i) => {
    bindings[`in${i}`] = `read ${vector ? typed(dtype) : dtype}`;
  });
  outputs.forEach((dtype, i) => (bindings[`out${i}`] = `write ${typed(dtype)}`));

  const uniforms: Record<string, UniformType> = walkUniforms(rank);
  inputs.forEach(({ outerStrides }, i) =>
    outerStrides.forEach((walks, axis) => walks && (uniforms[`stride${i}_${axis}`] = 'u32')),
  );
  for (const name of numbers) uniforms[`number_${name}`] = compute;

  const values: Record<string, string> = {};
  inputs.forEach(({ name }, i) => (values[name] = `x${i}`));
  for (const name of numbers) values[name] = `${T}(u.number_${name})`;
  const places = inputs.map((input, i) => placeOf(input, i, rank));
  // WGSL converts a vector of another type, but not a scalar, on the way to a vector.
  const loads = places.map((place, i) =>
    inputs[i]!.vector
      ? `let x${i} = ${T}(in${i}[${place}]);`
      : `let x${i} = ${T}(${compute}(in${i}[${place}]));`,
  );
  const body = expressionToWgsl(expressions, values, T);
  const stores = outputs.map((dtype, i) => `out${i}[i] = ${typed(dtype)}(${body.results[i]});`);
  const main = walkWgsl({
    size,
    rank,
    coordinates: places.some((place) => place !== 'i' && place !== '0'),
    before: loads.filter((_, i) => places[i] === '0').join('\n  '),
    body: [...loads.filter((_, i) => places[i] !== '0'), body.statements, ...stores].join('\n    '),
  });
  return kernel({ name: 'map', bindings, uniforms, code: `${body.helpers}${main}` });
}

type InputPlan = KernelPlan['inputs'][number];

/** WGSL of input i's index: the element's own where it is not broadcast, '0' where it is one value. */
function placeOf({ vector, outerStrides }: InputPlan, i: number, rank: number): string {
  if (vector && outerStrides.every(Boolean)) return 'i';
  const terms = outerStrides.flatMap((walks, axis) =>
    walks ? [`c${axis} * u.stride${i}_${axis}`] : [],
  );
  if (vector) terms.push(`c${rank - 1}`);
  return terms.join(' + ') || '0';
}
