import type { TensorSpec } from '../op.ts';

/** @throws TypeError unless all inputs are f32: a kernel would take the bits of an integer for a float */
export function checkFloats(op: string, inputs: readonly TensorSpec[]): void {
  const wrong = inputs.findIndex(({ dtype }) => dtype !== 'f32');
  if (wrong >= 0) {
    throw new TypeError(`${op}: input ${wrong} is ${inputs[wrong]!.dtype}; cast it to f32`);
  }
}
