import { inputNames, type Expression } from '../expression/ast.ts';
import type { Tensor } from '../tensor.ts';

/** A formula's inputs: tensors, or numbers, which compile to nothing new when they change. */
export type NamedInputs = Readonly<Record<string, Tensor | number>>;

/** A formula's inputs as an op takes them: the tensors in the order of their names. */
interface SplitInputs {
  readonly names: string[];
  readonly tensors: Tensor[];
  readonly numbers: Record<string, number>;
}

/** The inputs of these names. @throws Error naming one that is not given */
export function pickInputs(
  op: string,
  wanted: readonly string[],
  inputs: NamedInputs,
): SplitInputs {
  const names: string[] = [];
  const tensors: Tensor[] = [];
  const numbers: Record<string, number> = {};
  for (const name of wanted) {
    const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (value === undefined) {
      throw new Error(`${op}: no input "${name}"; there are ${Object.keys(inputs).join(', ')}`);
    }
    if (typeof value === 'number') numbers[name] = value;
    else {
      names.push(name);
      tensors.push(value);
    }
  }
  return { names, tensors, numbers };
}

/** The inputs that the formulas use, then all other tensors, which still take part in the broadcast shape. */
export function broadcastInputs(
  op: string,
  expressions: readonly Expression[],
  inputs: NamedInputs,
): SplitInputs {
  const used = inputNames(...expressions);
  const others = Object.keys(inputs).filter((name) => typeof inputs[name] !== 'number');
  return pickInputs(op, [...new Set([...used, ...others])], inputs);
}
