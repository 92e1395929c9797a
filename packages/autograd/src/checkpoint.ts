import {
  currentRecorder,
  differentiableInputs,
  scope,
  withRecorder,
  type Call,
  type Tensor,
} from '@farmer/tensor';
import { customVjp } from './custom-vjp.ts';
import { Tape } from './tape.ts';

/**
 * Runs `body` without keeping its intermediate values; the backward pass computes them again. Trades one more
 * forward pass for memory (Chen et al. 2016). `body` may use any tensors around it, and must do the same both times. A
 * result that no gradient flows to is given as it is.
 */
export function checkpoint(body: () => Tensor): Tensor {
  const outer = currentRecorder();
  if (!(outer instanceof Tape)) return body();
  const used = new UsedTensors(outer);
  const output = withRecorder(used, () => scope(body));
  if (!used.made(output)) return output;
  const inputs = [...used.tensors];
  return customVjp(
    inputs,
    () => output,
    (gradient) => {
      const tape = new Tape(inputs);
      const again = tape.run(() => scope(body));
      return tape.backward(again, inputs, { seed: gradient });
    },
    'checkpoint',
  );
}

/** Finds the tensors of an outer tape from which gradients flow to what a body makes. */
class UsedTensors {
  readonly tensors = new Set<Tensor>();
  readonly #outer: Tape;
  readonly #made = new Set<number>();

  constructor(outer: Tape) {
    this.#outer = outer;
  }

  /** Whether the body made the tensor, and a gradient flows to it. */
  made(tensor: Tensor): boolean {
    return this.#made.has(tensor.id);
  }

  record({ op, inputs, outputs }: Call): void {
    if (!op.vjp) return;
    const sources = differentiableInputs(op, inputs).map((i) => inputs[i]!);
    const used = sources.filter((input) => this.#outer.tracks(input));
    for (const input of used) this.tensors.add(input);
    if (used.length === 0 && !sources.some((input) => this.made(input))) return;
    for (const output of outputs) if (output.dtype === 'f32') this.#made.add(output.id);
  }
}
