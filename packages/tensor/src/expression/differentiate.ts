import { constant, substitute, type Expression } from './ast.ts';
import { parse } from './parse.ts';
import { primitives } from './primitives.ts';
import { call } from './simplify.ts';

/** ∂e/∂name, symbolically, by the chain rule over the primitives' derivatives. */
export function differentiate(e: Expression, name: string): Expression {
  if (e.kind === 'constant') return constant(0);
  if (e.kind === 'input') return constant(e.name === name ? 1 : 0);
  if (e.fn === 'where') {
    // Not a sum of products: 0 times the derivative of the branch not taken is NaN where that is not finite.
    const [condition, ...branches] = e.args;
    return call('where', [condition!, ...branches.map((branch) => differentiate(branch, name))]);
  }
  const { args: parameters, derivatives } = primitives[e.fn];
  const values = Object.fromEntries(parameters.map((parameter, i) => [parameter, e.args[i]!]));
  let sum = constant(0);
  e.args.forEach((arg, i) => {
    const inner = differentiate(arg, name);
    if (inner.kind === 'constant' && inner.value === 0) return;
    const outer = rebuild(substitute(parse(derivatives[i]!), values));
    sum = call('add', [sum, call('multiply', [outer, inner])]);
  });
  return sum;
}

/** Simplifies again after a substitution. */
function rebuild(e: Expression): Expression {
  return e.kind === 'call' ? call(e.fn, e.args.map(rebuild)) : e;
}
