import { map, scope, Tensor, withRecorder } from '@farmer/tensor';
import { Tape, TapeError } from './tape.ts';

/**
 * Computes a loss and its gradients.
 * @param body returns the scalar loss, or an object with `loss` and other values to keep
 * @param wrt tensors to differentiate by
 * @throws TapeError when the loss is no scalar, or depends on none of `wrt`
 * @returns what `body` returned, and one gradient per tensor of `wrt` with its shape
 */
export function valueAndGrad<T extends Tensor | { loss: Tensor }>(
  body: () => T,
  wrt: readonly Tensor[],
): { value: T; gradients: Tensor[] } {
  return scope(() => {
    const tape = new Tape(wrt);
    try {
      const value = tape.run(() => scope(body));
      const gradients = tape.backward(lossOf(value), wrt);
      return { value, gradients };
    } finally {
      tape.free();
    }
  });
}

function lossOf(value: Tensor | { loss: Tensor }): Tensor {
  const loss = typeof value === 'object' && value && 'loss' in value ? value.loss : value;
  if (loss instanceof Tensor) return loss;
  throw new TapeError('valueAndGrad: the body must return the loss, a tensor, or { loss, … }');
}

/** The gradient of `f` at `x`: `grad(f)(x)` has the shape of `x`. */
export function grad(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return (x) => scope(() => valueAndGrad(() => f(x), [x]).gradients[0]!);
}

/** Runs `body` unseen by any tape: no gradient flows through it. */
export function noGrad<T>(body: () => T): T {
  return withRecorder(null, body);
}

/**
 * Adds the gradients of another micro-batch; frees both old lists.
 * @param total the sum so far, undefined at the first micro-batch
 */
export function accumulateGradients(
  total: readonly Tensor[] | undefined,
  gradients: readonly Tensor[],
): Tensor[] {
  if (!total) return [...gradients];
  return gradients.map((b, i) => {
    const sum = map('a + b', { a: total[i]!, b });
    total[i]!.dispose();
    b.dispose();
    return sum;
  });
}
