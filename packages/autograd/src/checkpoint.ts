import { currentRecorder, scope, withRecorder, type Call, type Tensor } from '@farmer/tensor';
import { customVjp } from './custom-vjp.ts';
import { Tape } from './tape.ts';

/**
 * Runs `body` without keeping its intermediate values; the backward pass computes them again. Trades one more
 * forward pass for memory (Chen et al. 2016). `body` may use any tensors around it, and must do the same both times.
 */
export function checkpoint(body: () => Tensor): Tensor {
  const outer = currentRecorder();
  if (!(outer instanceof Tape)) return body();
  const used = new UsedTensors(outer);
  const output = withRecorder(used, () => scope(body));
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

/** Finds the tensors of an outer tape that a body reads. */
class UsedTensors {
  readonly tensors = new Set<Tensor>();
  readonly #outer: Tape;

  constructor(outer: Tape) {
    this.#outer = outer;
  }

  record({ inputs }: Call): void {
    for (const input of inputs) if (this.#outer.tracks(input)) this.tensors.add(input);
  }
}
