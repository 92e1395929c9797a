import type { Op } from '../op.ts';
import { affineFlowBackwardOp, affineFlowOp } from './affine-flow.ts';
import { mapOp } from './map.ts';
import { matmulOp } from './matmul.ts';
import { logSumExpOp, maxOp, meanOp, minOp, sumOp } from './reduce.ts';
import { reshapeOp } from './reshape.ts';

/** Every op: what the conformance tests check on every device. */
export const registry: readonly Op<unknown>[] = [
  affineFlowBackwardOp,
  affineFlowOp,
  logSumExpOp,
  mapOp,
  matmulOp,
  maxOp,
  meanOp,
  minOp,
  reshapeOp,
  sumOp,
];
