import { formatShape, sameShape, ShapeError, sizeOf, type Shape } from '../shape.ts';

// Optimiser state of many parameters lies in one flat tensor, an arena: each parameter's part starts at a multiple
// of four floats, so that kernels can walk it in vec4s. One binding then serves all of them.

const quads = (shape: Shape) => Math.ceil(sizeOf(shape) / 4);

/** Where each tensor's part of an arena starts, in elements. */
export function arenaOffsets(tensors: readonly { readonly shape: Shape }[]): number[] {
  let end = 0;
  return tensors.map(({ shape }) => {
    const start = end;
    end += 4 * quads(shape);
    return start;
  });
}

/** Elements of an arena for these tensors. */
export function arenaSize(tensors: readonly { readonly shape: Shape }[]): number {
  return tensors.reduce((size, { shape }) => size + 4 * quads(shape), 0);
}

/** @throws ShapeError unless the arena has the size that the tensors need */
export function checkArena(
  op: string,
  arena: { readonly shape: Shape },
  tensors: readonly { readonly shape: Shape }[],
): void {
  if (sizeOf(arena.shape) !== arenaSize(tensors)) {
    throw new ShapeError(
      `${op}: these ${tensors.length} parameters need an arena of ${arenaSize(tensors)} elements, ` +
        `got ${formatShape(arena.shape)}; make it with arenaSize(parameters)`,
    );
  }
}

/** @throws ShapeError unless there is one other tensor of the same shape for each parameter */
export function checkPairs(
  op: string,
  parameters: readonly { readonly shape: Shape }[],
  others: readonly { readonly shape: Shape }[],
  what: string,
): void {
  parameters.forEach(({ shape }, i) => {
    const other = others[i]?.shape;
    if (!other || !sameShape(other, shape)) {
      throw new ShapeError(
        `${op}: parameter ${i} has shape ${formatShape(shape)}, ` +
          `its ${what} ${other ? formatShape(other) : 'is missing'}`,
      );
    }
  });
  if (others.length !== parameters.length) {
    throw new ShapeError(
      `${op}: ${parameters.length} parameters, but ${others.length} of: ${what}`,
    );
  }
}

/** @throws Error unless there is one weight decay for each parameter */
export function checkDecays(op: string, count: number, weightDecay: readonly number[]): void {
  if (weightDecay.length !== count) {
    throw new Error(
      `${op}: ${count} parameters need as many weight decays, got ${weightDecay.length}`,
    );
  }
}
