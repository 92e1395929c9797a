import { constant, type Expression } from './ast.ts';
import { primitives, type Primitive } from './primitives.ts';

const isConstant = (e: Expression | undefined, value: number) =>
  e?.kind === 'constant' && e.value === value;

/** A call with the algebra that derivatives need: constants folded, x + 0, x · 1, x · 0, −(−x) and the like removed. */
export function call(fn: Primitive, args: readonly Expression[]): Expression {
  const [x, y, z] = args;
  const values = args.map((arg) => (arg.kind === 'constant' ? arg.value : NaN));
  if (values.every((value) => !Number.isNaN(value))) {
    const folded = primitives[fn].evaluate(values[0]!, values[1] ?? 0, values[2] ?? 0);
    if (Number.isFinite(folded)) return constant(folded);
  }
  switch (fn) {
    case 'add':
      if (isConstant(x, 0)) return y!;
      if (isConstant(y, 0)) return x!;
      break;
    case 'subtract':
      if (isConstant(y, 0)) return x!;
      if (isConstant(x, 0)) return call('negate', [y!]);
      break;
    case 'multiply':
      if (isConstant(x, 0) || isConstant(y, 0)) return constant(0);
      if (isConstant(x, 1)) return y!;
      if (isConstant(y, 1)) return x!;
      if (isConstant(x, -1)) return call('negate', [y!]);
      if (isConstant(y, -1)) return call('negate', [x!]);
      break;
    case 'divide':
      if (isConstant(x, 0)) return constant(0);
      if (isConstant(y, 1)) return x!;
      break;
    case 'negate':
      if (x!.kind === 'call' && x!.fn === 'negate') return x!.args[0]!;
      break;
    case 'where':
      if (y!.kind === 'constant' && isConstant(z, y!.value)) return y!;
      break;
    case 'pow':
      // Products also serve negative bases, for which WGSL's pow is undefined.
      if (isConstant(y, 1)) return x!;
      if (isConstant(y, 2)) return call('multiply', [x!, x!]);
      if (isConstant(y, 3)) return call('multiply', [call('multiply', [x!, x!]), x!]);
      break;
  }
  return { kind: 'call', fn, args };
}
