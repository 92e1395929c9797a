import { roundUp } from './round-up.ts';

export const blockAlignment = 256;

/**
 * The size that a request is rounded up to: a multiple of 256 bytes, and beyond 2 KiB one of eight
 * steps an octave, so that freed blocks fit later requests and at most an eighth is wasted.
 */
export function bucketSize(byteLength: number): number {
  const step = Math.max(blockAlignment, 2 ** (Math.floor(Math.log2(Math.max(byteLength, 1))) - 3));
  return roundUp(Math.max(1, byteLength), step);
}

/** The least size of a block for a request, which captures round up to: they take the best fit, not one of equal size. */
export function blockSize(byteLength: number): number {
  return roundUp(Math.max(1, byteLength), blockAlignment);
}

/** A capture takes a free block up to this many times as large as the request before it makes a new one. */
const captureSlack = 2;

/** A device's free blocks by size, those of one size in a stack. */
export class FreeBlocks<T> {
  readonly #bySize = new Map<number, T[]>();
  readonly #insert: (stack: T[], block: T) => void;

  /** @param insert adds a block to a stack, whose last is taken first */
  constructor(insert = (stack: T[], block: T): void => void stack.push(block)) {
    this.#insert = insert;
  }

  add(size: number, block: T): void {
    const stack = this.#bySize.get(size);
    if (stack) this.#insert(stack, block);
    else this.#bySize.set(size, [block]);
  }

  /** A block of just this size. */
  take(size: number): T | undefined {
    return this.#bySize.get(size)?.pop();
  }

  /** The smallest block of this size or more, within a limit. */
  takeBest(size: number, limit = captureSlack * size): T | undefined {
    let best = Infinity;
    for (const [each, stack] of this.#bySize) {
      if (each >= size && each < best && stack.length > 0) best = each;
    }
    return best <= limit ? this.take(best) : undefined;
  }

  /** Takes all blocks. */
  takeAll(): T[] {
    const all = [...this.#bySize.values()].flat();
    this.#bySize.clear();
    return all;
  }
}
