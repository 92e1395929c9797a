import { registry, type Device, type Op } from '@farmer/tensor';
import { checkForward, checkVjp } from '@farmer/tensor/conformance';
import { messageOf } from './errors.ts';
import type { Output } from './output.ts';

/** Random cases of each op. */
const CASES = 8;

/**
 * Compares every op's values with its float64 reference, and its gradients with finite differences of that.
 * @returns the first deviation of each op that has one
 */
export async function checkOps(
  device: Device,
  output: Output,
  ops: readonly Op<unknown>[] = registry,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const [i, op] of ops.entries()) {
    output.status(`checking ${op.name}: ${i + 1} of ${ops.length} ops`);
    try {
      for (let seed = 1; seed <= CASES; seed++) {
        await checkForward(op, device, seed);
        await checkVjp(op, device, seed);
      }
    } catch (error) {
      wrong.push(messageOf(error));
    }
  }
  return wrong;
}
