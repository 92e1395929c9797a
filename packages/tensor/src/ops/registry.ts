import type { Op } from '../op.ts';
import { mapOp } from './map.ts';
import { reshapeOp } from './reshape.ts';

/** Every op: what the conformance tests check on every device. */
export const registry: readonly Op<unknown>[] = [mapOp, reshapeOp];
