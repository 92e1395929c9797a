import { loopNest, type LoopNest } from '../broadcast.ts';
import { computeType } from '../compute-type.ts';
import type { DType } from '../dtype.ts';
import type { Expression } from '../expression/ast.ts';
import { expressionToWgsl } from '../expression/wgsl.ts';
import type { MapParams } from '../ops/map.ts';
import type { Tensor } from '../tensor.ts';
import { kernel, linearGrid, type Kernel, type KernelRun, type UniformType } from './kernel.ts';

const workgroupSize = 64;

/** Runs a `map` as one dispatch, or as several where the adapter binds too few buffers. */
export function pointwiseKernel(
  run: KernelRun,
  {
    inputs,
    outputs,
    params,
  }: { inputs: readonly Tensor[]; outputs: readonly Tensor[]; params: MapParams },
): void {
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
}

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
  const count = groups.reduce((a, b) => a * b, 1);
  const uniforms = [
    count,
    ...groups.slice(1),
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
    linearGrid(Math.ceil(count / workgroupSize)),
  );
}

/** What is baked into a pointwise kernel beside its expressions. */
interface KernelPlan {
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

const compiled = new WeakMap<Expression, Map<string, Kernel>>();

function compile(plan: KernelPlan, expressions: readonly Expression[]): Kernel {
  const key = JSON.stringify([plan, expressions.slice(1)]);
  let kernels = compiled.get(expressions[0]!);
  if (!kernels) compiled.set(expressions[0]!, (kernels = new Map()));
  let made = kernels.get(key);
  if (!made) kernels.set(key, (made = pointwiseWgsl(plan, expressions)));
  return made;
}

const vec4Of = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' } as const;

function pointwiseWgsl(plan: KernelPlan, expressions: readonly Expression[]): Kernel {
  const { rank, width, inputs, outputs, numbers, compute } = plan;
  const typed = (dtype: DType) => (width === 4 ? vec4Of[dtype] : dtype);
  const T = typed(compute);
  const bindings: Record<string, Kernel['bindings'][string]> = {};
  inputs.forEach(({ dtype, vector }, i) => {
    bindings[`in${i}`] = `read ${(vector ? typed(dtype) : dtype) as 'f32'}`;
  });
  outputs.forEach((dtype, i) => (bindings[`out${i}`] = `write ${typed(dtype) as 'f32'}`));

  const uniforms: Record<string, UniformType> = { count: 'u32' };
  for (let axis = 1; axis < rank; axis++) uniforms[`length${axis}`] = 'u32';
  inputs.forEach(({ outerStrides }, i) =>
    outerStrides.forEach((walks, axis) => walks && (uniforms[`stride${i}_${axis}`] = 'u32')),
  );
  const scalarType = compute;
  for (const name of numbers) uniforms[`number_${name}`] = scalarType;

  const coordinates = Array.from({ length: rank - 1 }, (_, i) => rank - 1 - i).map(
    (axis) => `let c${axis} = rest % u.length${axis}; rest = rest / u.length${axis};`,
  );
  const loads = inputs.map(({ vector, outerStrides }, i) => {
    const terms = outerStrides.flatMap((walks, axis) =>
      walks ? [`c${axis} * u.stride${i}_${axis}`] : [],
    );
    if (vector) terms.push(`c${rank - 1}`);
    return `let x${i} = ${T}(in${i}[${terms.join(' + ') || '0'}]);`;
  });
  const values: Record<string, string> = {};
  inputs.forEach(({ name }, i) => (values[name] = `x${i}`));
  for (const name of numbers) values[name] = `${T}(u.number_${name})`;
  const body = expressionToWgsl(expressions, values, T as 'f32');
  const stores = outputs.map((dtype, i) => `out${i}[i] = ${typed(dtype)}(${body.results[i]});`);
  return kernel({
    name: 'map',
    bindings,
    uniforms,
    code: `${body.helpers}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.count) { return; }
  var rest = i;
  ${coordinates.join('\n  ')}
  let c0 = rest;
  ${loads.join('\n  ')}
  ${body.statements}
  ${stores.join('\n  ')}
}`,
  });
}
