import type { Expression } from './ast.ts';
import { primitives } from './primitives.ts';

/** The value of an expression in float64, given its inputs' values: what all kernels are checked against. */
export function evaluate(e: Expression, inputs: Readonly<Record<string, number>>): number {
  if (e.kind === 'constant') return e.value;
  if (e.kind === 'input') {
    const value = inputs[e.name];
    if (value === undefined) throw new Error(`expression: no value for input "${e.name}"`);
    return value;
  }
  const [x = 0, y = 0, z = 0] = e.args.map((arg) => evaluate(arg, inputs));
  return primitives[e.fn].evaluate(x, y, z);
}
