import type { WebGpuCapabilities } from '../kernel.ts';
import { naive } from './naive.ts';
import type { MatmulProblem } from './problem.ts';
import type { MatmulVariant } from './source.ts';

export interface MatmulChoice {
  readonly variant: MatmulVariant;
  /** Slices of k that are summed apart, for more parallelism. */
  readonly slices: number;
}

/** The selection table: which variant serves which adapter and shape. */
export function selectMatmul(
  _capabilities: WebGpuCapabilities,
  _problem: MatmulProblem,
): MatmulChoice {
  return { variant: naive, slices: 1 };
}
