import { flip, philoxPermutation, type Tensor } from '@farmer/tensor';

/** The reading direction of a block over tokens, the paper's permutation π_t: raster order, or its reverse. */
export type Direction = 'forward' | 'backward';

/**
 * Block t = 0 … n−1 of the flow. "Reverses the order" in every block, taken literally, would make all blocks read in
 * one direction; as in TARFlow the direction alternates.
 */
export function flowDirection(block: number): Direction {
  return block % 2 === 0 ? 'forward' : 'backward';
}

/** The AR model acts as one more block: with the final permutation (table 3) it reads against the last of n blocks. */
export function arDirection(blocks: number, finalPermutation: boolean): Direction {
  return flowDirection(finalPermutation ? blocks : blocks - 1);
}

/** Tokens [B, N, d], or places [N, d], between image order and reading order; its own inverse. */
export function permuteTokens(tokens: Tensor, direction: Direction): Tensor {
  return direction === 'forward' ? tokens : flip(tokens, tokens.rank - 2);
}

/** One number a token, [B, N], between image order and reading order; its own inverse. */
export function permuteTokenValues(values: Tensor, direction: Direction): Tensor {
  return direction === 'forward' ? values : flip(values, 1);
}

// Any seed does: it only has to be the same wherever a model is built, so that weights mean the same.
const couplingSeed = 2410;

/**
 * The channels of a Jet block in coupling order: the first `fixed` condition, the others move. Two consecutive blocks
 * share a random order, reversed in the second, so that the pair moves every channel.
 */
export function couplingOrder(
  channels: number,
  block: number,
): { order: Int32Array; fixed: number } {
  const order = Int32Array.from(philoxPermutation(channels, couplingSeed, block >> 1));
  return block % 2 === 0
    ? { order, fixed: Math.ceil(channels / 2) }
    : { order: order.reverse(), fixed: Math.floor(channels / 2) };
}
