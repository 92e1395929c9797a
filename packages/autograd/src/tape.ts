import {
  differentiableInputs,
  formatShape,
  map,
  scope,
  withMemoryTag,
  withRecorder,
  type Call,
  type Recorder,
  type Tensor,
} from '@farmer/tensor';

/** A use of a tape that cannot give gradients. */
export class TapeError extends Error {
  override readonly name = 'TapeError';
}

/**
 * Remembers the ops that ran, so that `backward` can walk them in reverse. It knows no op by name:
 * each brings its own vector-Jacobian product. Only what depends on a watched tensor is kept. Gradients are of
 * first order: ops inside a backward pass are not recorded.
 *
 *     const tape = new Tape([weights]);
 *     const loss = tape.run(() => mean(map('x * x', { x: matmul(inputs, weights) })));
 *     const [gradient] = tape.backward(loss, [weights]);
 */
export class Tape implements Recorder {
  readonly #nodes: Call[] = [];
  readonly #tracked = new Set<number>();
  #freed = false;

  /** @param watched tensors whose gradients may be asked for, such as parameters */
  constructor(watched: Iterable<Tensor> = []) {
    for (const tensor of watched) this.watch(tensor);
  }

  /** Lets gradients of a further tensor be asked for; call it before the ops that use the tensor. */
  watch(tensor: Tensor): void {
    this.#tracked.add(tensor.id);
  }

  /** Whether a gradient can flow to the tensor. */
  tracks(tensor: Tensor): boolean {
    return this.#tracked.has(tensor.id);
  }

  /** Runs `body` and remembers its ops. */
  run<T>(body: () => T): T {
    return withMemoryTag('activations', () => withRecorder(this, body));
  }

  /** Keeps an op through which gradients flow. @throws TapeError for one that rewrites a tensor on their way */
  record(call: Call): void {
    const { op, inputs, outputs } = call;
    if (op.mutates?.some((i) => this.tracks(inputs[i]!))) {
      throw new TapeError(
        `${op.name}: rewrites a tensor that a gradient flows through; run it outside of the tape`,
      );
    }
    if (!op.vjp || !differentiableInputs(op, inputs).some((i) => this.tracks(inputs[i]!))) return;
    for (const tensor of [...inputs, ...outputs]) tensor.retain();
    for (const output of outputs) if (output.dtype === 'f32') this.#tracked.add(output.id);
    this.#nodes.push(call);
  }

  /**
   * ∂loss/∂x for each `x` of `wanted`: watched tensors or values computed on the way. Zeros where the loss does
   * not depend on it. Frees what the tape holds as it goes.
   * @param options.seed ∂final/∂loss, for a loss that is not a scalar
   * @param options.keep leaves the tape whole for another backward
   * @throws TapeError for a loss that is not a scalar, a loss that no watched tensor led to, or a freed tape
   */
  backward(
    loss: Tensor,
    wanted: readonly Tensor[],
    options: { seed?: Tensor; keep?: boolean } = {},
  ): Tensor[] {
    this.#check(loss, options.seed);
    const gradients = new Gradients();
    const walk = () => {
      gradients.add(loss, options.seed ?? map('1', { loss }));
      this.#walk(gradients, new Set(wanted.map(({ id }) => id)), options.keep ?? false);
      return wanted.map((x) => gradients.get(x.id)?.alias(x.shape) ?? map('0', { x }));
    };
    try {
      return withMemoryTag('gradients', () => withRecorder(null, () => scope(walk)));
    } finally {
      gradients.dispose();
    }
  }

  #walk(gradients: Gradients, wantedIds: ReadonlySet<number>, keep: boolean): void {
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      this.#backwardThrough(this.#nodes[i]!, gradients);
      for (const { id } of this.#nodes[i]!.outputs) if (!wantedIds.has(id)) gradients.drop(id);
      if (!keep) release(this.#nodes.pop()!);
    }
    if (!keep) this.#freed = true;
  }

  /** Lets go of everything that the tape holds. */
  free(): void {
    this.#nodes.splice(0).forEach(release);
    this.#freed = true;
  }

  #check(loss: Tensor, seed: Tensor | undefined): void {
    if (this.#freed) {
      throw new TapeError(
        'backward: this tape was freed by an earlier backward; record again, or pass { keep: true } the first time',
      );
    }
    if (!seed && loss.size !== 1) {
      throw new TapeError(
        `backward: the loss must be a scalar, got shape ${formatShape(loss.shape)}; reduce it with mean or sum, or pass a seed`,
      );
    }
    if (!this.tracks(loss)) {
      throw new TapeError(
        'backward: the loss does not depend on any watched tensor through differentiable ops',
      );
    }
  }

  #backwardThrough({ op, inputs, outputs, params }: Call, gradients: Gradients): void {
    const incoming = outputs.map((output) => gradients.get(output.id) ?? null);
    if (incoming.every((gradient) => gradient === null)) return;
    const flows = new Set(differentiableInputs(op, inputs));
    const needed = inputs.map((input, i) => flows.has(i) && this.tracks(input));
    scope(() => {
      const takeSum = (i: number) => gradients.take(inputs[i]!.id);
      const results = op.vjp!({ inputs, outputs, params, gradients: incoming, needed, takeSum });
      results.forEach(
        (gradient, i) => gradient && needed[i] && gradients.add(inputs[i]!, gradient),
      );
    });
  }
}

function release({ inputs, outputs }: Call): void {
  for (const tensor of [...inputs, ...outputs]) tensor.release();
}

/** Gradients by tensor id. Holds its tensors itself, so that scopes may end around it. */
class Gradients {
  readonly #byId = new Map<number, Tensor>();

  get(id: number): Tensor | undefined {
    return this.#byId.get(id);
  }

  /** Adds to the gradient of `x`. */
  add(x: Tensor, gradient: Tensor): void {
    const sofar = this.#byId.get(x.id);
    const total = sofar ? map('a + b', { a: sofar, b: gradient }) : gradient;
    this.#byId.set(x.id, total.retain());
    sofar?.release();
  }

  /** Forgets the sum, and leaves it to the scope around. */
  take(id: number): Tensor | undefined {
    const sum = this.#byId.get(id);
    const taken = sum?.alias(sum.shape);
    this.drop(id);
    return taken;
  }

  drop(id: number): void {
    this.#byId.get(id)?.release();
    this.#byId.delete(id);
  }

  dispose(): void {
    for (const id of [...this.#byId.keys()]) this.drop(id);
  }
}
