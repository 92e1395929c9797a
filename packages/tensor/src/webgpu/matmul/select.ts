import type { WebGpuCapabilities } from '../kernel.ts';
import { naive } from './naive.ts';
import type { MatmulProblem } from './problem.ts';
import type { MatmulVariant } from './source.ts';
import { subgroup } from './subgroup.ts';
import { tile } from './tile.ts';

export interface MatmulChoice {
  readonly variant: MatmulVariant;
  /** Slices of k that are summed apart, for more parallelism. */
  readonly slices: number;
}

/** Enough workgroups to keep every core, or every multiprocessor, busy. */
const wantedWorkgroups = { software: 16, hardware: 256 };
/** Shorter slices of k cost more in partial sums than they gain. */
const shortestSlice = 128;

/** Below this many products a dispatch costs more than the sums, and the smallest kernel compiles fastest. */
const tiny = 32 ** 3;

/**
 * The selection table: which variant serves which adapter and shape. On software adapters more rows run faster
 * and take longer to compile (seconds, once), so that shapes that no fast path serves get few.
 *
 * | adapter                         | shape                              | variant                    |
 * | ------------------------------- | ---------------------------------- | -------------------------- |
 * | any                             | tiny                               | 1, naive                   |
 * | hardware                        | other                              | 3, tile                    |
 * | software with one subgroup size | m ≤ 8, or n or k no multiple of 4  | 2, subgroup, 4 rows        |
 * | software with one subgroup size | other                              | 2, subgroup, 2 rows a lane |
 * | other software                  | other                              | 1, naive                   |
 */
export function selectMatmul(
  capabilities: WebGpuCapabilities,
  problem: MatmulProblem,
): MatmulChoice {
  const variant = selectVariant(capabilities, problem);
  const { m, n, k, batches } = problem;
  const workgroups = Math.ceil(m / variant.tileRows) * Math.ceil(n / variant.tileColumns) * batches;
  const most = Math.max(1, Math.floor(k / shortestSlice));
  const wanted = Math.ceil(wantedWorkgroups[capabilities.adapterKind] / Math.max(1, workgroups));
  return { variant, slices: Math.min(most, wanted) };
}

function selectVariant(
  { adapterKind, subgroups }: WebGpuCapabilities,
  { m, n, k }: MatmulProblem,
): MatmulVariant {
  if (m * n * k < tiny) return naive;
  if (adapterKind === 'hardware') return tile;
  const lanes = subgroups?.minSize === subgroups?.maxSize ? subgroups?.maxSize : undefined;
  if (lanes === undefined || lanes > 16) return naive;
  const few = m <= 8 || n % 4 !== 0 || k % 4 !== 0;
  return subgroup(lanes, few ? 4 : Math.min(16, 2 * lanes));
}
