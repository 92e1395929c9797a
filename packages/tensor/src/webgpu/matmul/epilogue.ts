import { loopNest } from '../../broadcast.ts';
import type { Expression } from '../../expression/ast.ts';
import { expressionToWgsl } from '../../expression/wgsl.ts';
import type { Shape } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { Kernel, UniformType } from '../kernel.ts';

/** The formula that a matmul applies to each sum `acc` before storing it, and its inputs' broadcasting. */
export interface Epilogue {
  readonly expression: Expression;
  readonly inputs: readonly EpilogueInput[];
  readonly tensors: readonly Tensor[];
  readonly numbers: Readonly<Record<string, number>>;
  /** Lengths of the merged axes over which the output's rows run. */
  readonly rowLengths: readonly number[];
}

interface EpilogueInput {
  readonly name: string;
  /** Varies along a row of the output. */
  readonly walksColumns: boolean;
  /** Stride in elements on each axis of `rowLengths`. */
  readonly rowStrides: readonly number[];
}

export function planEpilogue(
  output: Shape,
  expression: Expression,
  names: readonly string[],
  tensors: readonly Tensor[],
  numbers: Readonly<Record<string, number>>,
): Epilogue {
  const { lengths, strides } = loopNest(
    output.slice(0, -1),
    tensors.map(({ shape }) => shape.slice(0, -1)),
  );
  const inputs = tensors.map(({ shape }, i) => {
    const columns = shape.at(-1) ?? 1;
    const rowStrides = strides[i]!.map((stride) => stride * columns);
    return { name: names[i]!, walksColumns: columns !== 1, rowStrides };
  });
  return { expression, inputs, tensors, numbers, rowLengths: lengths };
}

/** What of an epilogue is baked into a kernel's source; the expression itself is the other half. */
export function epilogueKey({ inputs, numbers, rowLengths }: Epilogue): string {
  const baked = inputs.map(({ name, walksColumns, rowStrides }) => [
    name,
    walksColumns,
    rowStrides.map((stride) => stride !== 0),
  ]);
  return JSON.stringify([rowLengths.length, baked, Object.keys(numbers)]);
}

/** WGSL of `finish(acc, row, column)`, the value to store, with `column` counted in values of type T. */
export interface EpilogueCode {
  readonly bindings: Kernel['bindings'];
  readonly uniforms: Kernel['uniforms'];
  readonly code: string;
}

export function epilogueWgsl(epilogue: Epilogue, T: 'f32' | 'vec4f'): EpilogueCode {
  const { expression, inputs, numbers, rowLengths } = epilogue;
  const bindings: Record<string, Kernel['bindings'][string]> = {};
  const uniforms: Record<string, UniformType> = {};
  const values: Record<string, string> = { acc: 'acc' };
  for (let axis = 1; axis < rowLengths.length; axis++) uniforms[`rows${axis}`] = 'u32';
  const loads = inputs.map(({ name, walksColumns, rowStrides }, i) => {
    bindings[`extra${i}`] = walksColumns ? `read ${T}` : 'read f32';
    values[name] = `x${i}`;
    const terms = walksColumns ? ['column'] : [];
    rowStrides.forEach((stride, axis) => {
      if (stride === 0) return;
      uniforms[`stride${i}_${axis}`] = 'u32';
      terms.push(`c${axis} * u.stride${i}_${axis}`);
    });
    return `let x${i} = ${T}(extra${i}[${terms.join(' + ') || '0'}]);`;
  });
  for (const name of Object.keys(numbers)) {
    uniforms[`number_${name}`] = 'f32';
    values[name] = `${T}(u.number_${name})`;
  }
  const coordinates = rowLengths.slice(1).map((_, i) => {
    const axis = rowLengths.length - 1 - i;
    return `let c${axis} = rest % u.rows${axis}; rest /= u.rows${axis};`;
  });
  const body = expressionToWgsl([expression], values, T);
  const code = `${body.helpers}
fn finish(acc: ${T}, row: u32, column: u32) -> ${T} {
  var rest = row;
  ${coordinates.join('\n  ')}
  let c0 = rest;
  ${loads.join('\n  ')}
  ${body.statements}
  return ${body.results[0]};
}`;
  return { bindings, uniforms, code };
}

/** Values of the uniforms of `epilogueWgsl`, in its order. */
export function epilogueUniforms(epilogue: Epilogue, T: 'f32' | 'vec4f'): number[] {
  const { inputs, numbers, rowLengths } = epilogue;
  return [
    ...rowLengths.slice(1),
    ...inputs.flatMap(({ walksColumns, rowStrides }) => {
      const unit = walksColumns && T === 'vec4f' ? 4 : 1;
      return rowStrides.filter((stride) => stride !== 0).map((stride) => stride / unit);
    }),
    ...Object.values(numbers),
  ];
}
