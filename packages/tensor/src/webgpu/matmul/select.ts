import { fixedSubgroupSize, type WebGpuCapabilities } from '../kernel.ts';
import { fewRows } from './few-rows.ts';
import { naive } from './naive.ts';
import type { MatmulProblem } from '../../matmul-problem.ts';
import type { MatmulVariant } from './source.ts';
import { subgroup } from './subgroup.ts';
import { fitsSubgroupMatrix, subgroupMatrix, subgroupMatrixMemory } from './subgroup-matrix.ts';
import { largeTile, tile } from './tile.ts';

export interface MatmulChoice {
  readonly variant: MatmulVariant;
  /** Slices of k that are summed apart, for more parallelism. */
  readonly slices: number;
}

/** Enough workgroups to keep every core, or every multiprocessor, busy. */
const wantedWorkgroups = { software: 16, hardware: 256 };
/** On software adapters the second dispatch, which adds the slices, costs as much as this many products. */
const worthSlicing = 2 ** 19;

/** From this many products on, a larger tile earns its second of compilation within a few hundred runs. */
const large = 2 ** 23;
/** Up to so many rows, those that decode tokens have, b is read for few sums. */
const few = 8;
/** Below this many products a dispatch costs more than the sums, and the smallest kernel compiles fastest. */
const tiny = 32 ** 3;

/**
 * The selection table: which variant serves which adapter and shape. On software adapters larger tiles run faster
 * and take longer to compile (seconds, once), so that shapes that no fast path serves get small ones.
 *
 * | adapter                         | shape                                | variant               |
 * | ------------------------------- | ------------------------------------ | --------------------- |
 * | hardware                        | m ≤ 8, b not transposed              | 6, few rows (1, or 4) |
 * | hardware                        | tiny                                 | 1, naive              |
 * | with matrix units, f16 allowed  | other                                | 5, subgroup matrix    |
 * | hardware                        | 256 tiles of 128 × 128 or more       | 4, tile of 128 × 128  |
 * | hardware                        | other                                | 3, tile of 64 × 64    |
 * | software with one subgroup size | m = 1                                | 2, subgroup, 1 row    |
 * | software with one subgroup size | tiny                                 | 1, naive              |
 * | software with one subgroup size | m ≤ 8, or n or k no multiple of four | 2, subgroup, 4 rows   |
 * | software with one subgroup size | 2²³ products or more                 | 2, subgroup, 32 rows  |
 * | software with one subgroup size | other                                | 2, subgroup, 16 rows  |
 * | other software                  | any                                  | 1, naive              |
 */
export function selectMatmul(
  capabilities: WebGpuCapabilities,
  problem: MatmulProblem,
): MatmulChoice {
  const variant = selectVariant(capabilities, problem);
  return { variant, slices: slicesFor(capabilities, problem, variant) };
}

/** Slices of k that give this problem, by this variant, enough workgroups. */
export function slicesFor(
  { adapterKind }: WebGpuCapabilities,
  problem: MatmulProblem,
  variant: MatmulVariant,
): number {
  const { m, n, k, batches } = problem;
  if (adapterKind === 'software' && m * n * k * batches < worthSlicing) return 1;
  const most = Math.max(1, Math.floor(k / (variant.shortestSlice ?? 128)));
  const tiles = Math.max(1, tilesOf(problem, variant));
  return Math.min(most, Math.ceil(wantedWorkgroups[adapterKind] / tiles));
}

/** Every variant that runs on this adapter, in the order of their numbers. */
export function matmulVariants(capabilities: WebGpuCapabilities): MatmulVariant[] {
  const lanes = fixedSubgroupSize(capabilities);
  const matrix = matrixVariant(capabilities);
  return [
    naive,
    ...(lanes && lanes <= 16 ? subgroupVariants(lanes) : []),
    tile,
    largeTile,
    ...(matrix ? [matrix] : []),
    fewRows(1),
    fewRows(4),
  ];
}

const subgroupVariants = (lanes: number) => [
  ...[1, 4, 8, 16].map((rows) => subgroup(lanes, rows)),
  subgroup(lanes, 32, 2),
];

const tilesOf = ({ m, n, batches }: MatmulProblem, { tileRows, tileColumns }: MatmulVariant) =>
  Math.ceil(m / tileRows) * Math.ceil(n / tileColumns) * batches;

function matrixVariant(capabilities: WebGpuCapabilities): MatmulVariant | undefined {
  const { subgroupMatrix: shape, limits } = capabilities;
  const lanes = fixedSubgroupSize(capabilities);
  if (!shape || !lanes || !fitsSubgroupMatrix(shape)) return undefined;
  if (4 * lanes > limits.maxComputeInvocationsPerWorkgroup) return undefined;
  if (subgroupMatrixMemory > limits.maxComputeWorkgroupStorageSize) return undefined;
  return subgroupMatrix(lanes, shape);
}

function selectVariant(capabilities: WebGpuCapabilities, problem: MatmulProblem): MatmulVariant {
  const { m, n, k, transposeB } = problem;
  const products = m * n * k;
  if (capabilities.adapterKind === 'hardware') {
    if (m <= few && !transposeB) return fewRows(m === 1 ? 1 : 4);
    if (products < tiny) return naive;
    const matrix = matrixVariant(capabilities);
    if (matrix) return matrix;
    return tilesOf(problem, largeTile) >= wantedWorkgroups.hardware ? largeTile : tile;
  }
  const lanes = fixedSubgroupSize(capabilities);
  if (lanes === undefined || lanes > 16) return naive;
  if (m === 1) return subgroup(lanes, 1);
  if (products < tiny) return naive;
  if (m <= few || n % 4 !== 0 || k % 4 !== 0) return subgroup(lanes, 4);
  return products < large ? subgroup(lanes, 16) : subgroup(lanes, 32, 2);
}
