import { defaultDevice, type Device } from './device.ts';
import type { Op, TensorCall } from './op.ts';
import { scope } from './scope.ts';
import { empty, type Tensor } from './tensor.ts';

/** One executed op, as a tape sees it. */
export interface Call<P = unknown> extends TensorCall<P> {
  readonly op: Op<P>;
}

/** Hears of each executed op; see `withRecorder`. */
export interface Recorder {
  record(call: Call): void;
}

let recorder: Recorder | null = null;

/** Runs `body` while `next` sees every executed op; null: none does. */
export function withRecorder<T>(next: Recorder | null, body: () => T): T {
  const previous = recorder;
  recorder = next;
  try {
    return body();
  } finally {
    recorder = previous;
  }
}

/** The recorder that sees ops now. */
export function currentRecorder(): Recorder | null {
  return recorder;
}

/**
 * Executes an op: checks shapes, allocates outputs, runs the device's kernel, tells the recorder.
 * @param device where an op without inputs runs
 */
export function apply<P>(
  op: Op<P>,
  inputs: readonly Tensor[],
  params: P,
  device: Device = inputs[0]?.device ?? defaultDevice(),
): Tensor[] {
  for (const input of inputs) {
    if (input.device !== device) {
      throw new Error(`${op.name}: its inputs are on ${device.name} and ${input.device.name}`);
    }
  }
  const specs = op.infer(inputs, params);
  const outputs = execute(op, inputs, params, device, specs);
  if (recorder) recorder.record({ op, inputs, outputs, params } as Call);
  return outputs;
}

function execute<P>(
  op: Op<P>,
  inputs: readonly Tensor[],
  params: P,
  device: Device,
  specs: ReturnType<Op<P>['infer']>,
): Tensor[] {
  if (op.alias) return specs.map((spec) => inputs[0]!.alias(spec.shape, 0, spec.dtype));
  if (!device.supports(op) && op.decompose) {
    return withRecorder(null, () => scope(() => op.decompose!(inputs, params)));
  }
  const outputs = specs.map((spec) => empty(spec.shape, spec.dtype, device));
  const writes = op.mutates ? inputs : outputs;
  if (writes.some((tensor) => tensor.size > 0)) device.run(op, inputs, outputs, params);
  return outputs;
}

/** `apply` for an op of one output. */
export function apply1<P>(
  op: Op<P>,
  inputs: readonly Tensor[],
  params: P,
  device?: Device,
): Tensor {
  return apply(op, inputs, params, device)[0]!;
}
