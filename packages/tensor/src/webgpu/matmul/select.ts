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

/**
 * The selection table: which variant serves which adapter and shape.
 *
 * | adapter | shape | variant |
 * | software with one subgroup size | m ≤ 8 | 2, subgroup, 4 rows |
 * | software with one subgroup size | other | 2, subgroup, 2 rows a lane |
 * | hardware | other than tiny | 3, tile |
 * | any other | | 1, naive |
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
  if (adapterKind === 'hardware') return m * n * k < 32 ** 3 ? naive : tile;
  const lanes = subgroups?.minSize === subgroups?.maxSize ? subgroups?.maxSize : undefined;
  if (lanes === undefined || lanes > 16) return naive;
  return subgroup(lanes, m <= 8 ? 4 : Math.min(16, 2 * lanes));
}
