import type { DType } from '../dtype.ts';
import type { Expression } from './ast.ts';
import { primitives } from './primitives.ts';

/** A value as the dtype holds it, but for the rounding of floats: integers drop the fraction and wrap. */
export const held: Record<DType, (value: number) => number> = {
  f32: (value) => value,
  i32: (value) => value | 0,
  u32: (value) => value >>> 0,
};

/**
 * The value of an expression, given its inputs' values: what all kernels are checked against.
 * @param compute the dtype in which it computes; f32 stands for float64, and integer results up to 2^53 wrap exactly
 */
export function evaluate(
  e: Expression,
  inputs: Readonly<Record<string, number>>,
  compute: DType = 'f32',
): number {
  const hold = held[compute];
  if (e.kind === 'constant') return hold(e.value);
  if (e.kind === 'input') {
    const value = inputs[e.name];
    if (value === undefined) throw new Error(`expression: no value for input "${e.name}"`);
    return hold(value);
  }
  const [x = 0, y = 0, z = 0] = e.args.map((arg) => evaluate(arg, inputs, compute));
  return hold(primitives[e.fn].evaluate(x, y, z));
}
