import type { Primitive } from './primitives.ts';

/** A pointwise formula over named inputs. Every value is a number; comparisons give 1 or 0. */
export type Expression =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'call'; readonly fn: Primitive; readonly args: readonly Expression[] };

export const constant = (value: number): Expression => ({ kind: 'constant', value });
export const input = (name: string): Expression => ({ kind: 'input', name });

/** The names of the inputs that the expressions use, in order of first use. */
export function inputNames(...expressions: Expression[]): string[] {
  const names = new Set<string>();
  const visit = (e: Expression): void => {
    if (e.kind === 'input') names.add(e.name);
    else if (e.kind === 'call') e.args.forEach(visit);
  };
  expressions.forEach(visit);
  return [...names];
}

/** Replaces inputs by expressions; inputs without an entry stay. */
export function substitute(
  e: Expression,
  replacements: Readonly<Record<string, Expression>>,
): Expression {
  if (e.kind === 'input') return replacements[e.name] ?? e;
  if (e.kind === 'constant') return e;
  return { ...e, args: e.args.map((arg) => substitute(arg, replacements)) };
}

/** One step of straight-line code: a call whose arguments are constants, inputs or earlier steps. */
export interface Step {
  readonly fn: Primitive;
  readonly args: readonly Operand[];
}

export type Operand =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'step'; readonly index: number };

/** Flattens expressions to straight-line code in which each common subexpression is computed once. */
export function linearize(expressions: readonly Expression[]): {
  steps: Step[];
  results: Operand[];
} {
  const steps: Step[] = [];
  const known = new Map<string, Operand>();
  const visit = (e: Expression): Operand => {
    if (e.kind !== 'call') return e;
    const args = e.args.map(visit);
    const key = `${e.fn}(${args.map(operandKey).join()})`;
    let operand = known.get(key);
    if (!operand) {
      operand = { kind: 'step', index: steps.push({ fn: e.fn, args }) - 1 };
      known.set(key, operand);
    }
    return operand;
  };
  return { results: expressions.map(visit), steps };
}

function operandKey(operand: Operand): string {
  if (operand.kind === 'constant') return String(operand.value);
  return operand.kind === 'input' ? operand.name : `#${operand.index}`;
}
