import { currentRecorder, scope, withRecorder, type Op, type Tensor } from '@farmer/tensor';

/** Gradients of the inputs, given the output's; null: no gradient. */
export type CustomVjp = (
  gradient: Tensor,
  inputs: readonly Tensor[],
  output: Tensor,
) => (Tensor | null)[];

/**
 * Runs `forward` hidden from the tape and records it as one op with the given vector-Jacobian product. Frees what
 * `forward` makes but its output.
 */
export function customVjp(
  inputs: readonly Tensor[],
  forward: (...inputs: Tensor[]) => Tensor,
  vjp: CustomVjp,
  name = 'custom',
): Tensor {
  const output = withRecorder(null, () =>
    scope(() => {
      const made = forward(...inputs);
      // A tape knows tensors by their ids, so that an input that passes through needs another one.
      return inputs.includes(made) ? made.alias(made.shape) : made;
    }),
  );
  // Only its name and vjp are ever used: it has already run.
  const op = {
    name,
    vjp: ({ gradients, inputs: saved, outputs }) => vjp(gradients[0]!, saved, outputs[0]!),
  } as Op<unknown>;
  currentRecorder()?.record({ op, inputs, outputs: [output], params: undefined });
  return output;
}
