import { assign, defaultDevice, gather, map, scope, type Tensor } from '@farmer/tensor';

export interface DecodingOptions {
  /** Record the first step's commands and replay them for the others; default true. Both give the same values. */
  readonly captured?: boolean;
}

/** Commands after which the device may start: it then works while the host encodes on. */
const commandsPerFlush = 1024;

/**
 * Runs a step of decoding `count` times. All that differs between steps (position, token, random state) has to live in
 * tensors that the step itself rewrites on the device, so that a step costs the host no more than its replay.
 */
export function repeatStep(
  count: number,
  step: () => void,
  { captured = true }: DecodingOptions = {},
): void {
  const inScope = () => scope(step);
  if (!captured || count < 2) {
    for (let i = 0; i < count; i++) inScope();
    return;
  }
  const device = defaultDevice();
  const graph = device.capture(inScope);
  const interval = Math.ceil(commandsPerFlush / Math.max(1, graph.commandCount));
  try {
    for (let i = 1; i < count; i++) {
      graph.replay();
      if (i % interval === 0) device.flush();
    }
  } finally {
    graph.dispose();
  }
}

/** Moves a position on the device to the next token. @param position u32 [1] */
export function advance(position: Tensor): void {
  assign(position, map('position + 1', { position }));
}

/** The row of an axis that a position on the device names; that axis becomes 1 long. @param position u32 [1] */
export function rowAt(x: Tensor, position: Tensor, axis: number): Tensor {
  return gather(x, position.alias([1], 0, 'i32'), axis);
}
