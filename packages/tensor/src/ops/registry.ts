import type { Op } from '../op.ts';
import { mapOp } from './map.ts';
import { logSumExpOp, maxOp, meanOp, minOp, sumOp } from './reduce.ts';
import { reshapeOp } from './reshape.ts';

/** Every op: what the conformance tests check on every device. */
export const registry: readonly Op<unknown>[] = [
  logSumExpOp,
  mapOp,
  maxOp,
  meanOp,
  minOp,
  reshapeOp,
  sumOp,
];
