import type { DType } from '../dtype.ts';
import type { WebGpuCapabilities } from './kernel.ts';

/** The invocations that share one row: one workgroup of `lanes`. */
export interface RowTeam {
  readonly lanes: number;
  /** Subgroup size; 0 where there are none or their size varies. */
  readonly subgroup: number;
}

export type RowReduction = 'sum' | 'max' | 'min';

const longRow = 2048;

/**
 * How many invocations share a row of `length` elements. Software adapters take exactly one subgroup, because
 * workgroup barriers are slow there; GPUs take a subgroup for short rows and a larger workgroup for long ones.
 */
export function rowTeam(capabilities: WebGpuCapabilities, length: number): RowTeam {
  const { subgroups, adapterKind } = capabilities;
  const subgroup = subgroups && subgroups.minSize === subgroups.maxSize ? subgroups.minSize : 0;
  if (subgroup && (adapterKind === 'software' || length < longRow)) {
    return { lanes: subgroup, subgroup };
  }
  return { lanes: length < longRow ? 64 : 256, subgroup };
}

/** True where a team costs less than one invocation walking a row of `length` alone. */
export function prefersTeam(capabilities: WebGpuCapabilities, length: number): boolean {
  const { subgroup } = rowTeam(capabilities, length);
  if (capabilities.adapterKind === 'software' && !subgroup) return false;
  return length > (capabilities.adapterKind === 'software' ? 16 : 32);
}

const combines: Record<RowReduction, (a: string, b: string) => string> = {
  sum: (a, b) => `${a} + ${b}`,
  max: (a, b) => `max(${a}, ${b})`,
  min: (a, b) => `min(${a}, ${b})`,
};
const subgroupCalls = { sum: 'subgroupAdd', max: 'subgroupMax', min: 'subgroupMin' } as const;

/** WGSL of `a` and `b` combined. */
export function combine(reduction: RowReduction, a: string, b: string): string {
  return combines[reduction](a, b);
}

export const enableSubgroups = ({ subgroup }: RowTeam): string =>
  subgroup ? 'enable subgroups;' : '';

/**
 * WGSL functions `row_sum(value, lane) -> T` (and max, min): every lane of the team gets the result over all lanes.
 * Call them in uniform control flow.
 */
export function rowFunctions(
  team: RowTeam,
  reductions: readonly RowReduction[],
  T: DType = 'f32',
): string {
  return reductions.map((reduction) => rowFunction(team, reduction, T)).join('');
}

function rowFunction({ lanes, subgroup }: RowTeam, reduction: RowReduction, T: DType): string {
  const head = `fn row_${reduction}(value: ${T}, lane: u32) -> ${T} {`;
  const call = `${subgroupCalls[reduction]}(value)`;
  if (subgroup === lanes) return `\n${head} return ${call}; }`;
  const shared = `row_${reduction}_shared`;
  if (subgroup) {
    return `
var<workgroup> ${shared}: array<${T}, ${lanes / subgroup}>;
${head}
  let own = ${call};
  workgroupBarrier();
  if (lane % ${subgroup}u == 0u) { ${shared}[lane / ${subgroup}u] = own; }
  workgroupBarrier();
  var total = ${shared}[0];
  for (var i = 1u; i < ${lanes / subgroup}u; i++) { total = ${combine(reduction, 'total', `${shared}[i]`)}; }
  return total;
}`;
  }
  return `
var<workgroup> ${shared}: array<${T}, ${lanes}>;
${head}
  workgroupBarrier();
  ${shared}[lane] = value;
  for (var half = ${lanes / 2}u; half > 0u; half = half / 2u) {
    workgroupBarrier();
    if (lane < half) { ${shared}[lane] = ${combine(reduction, `${shared}[lane]`, `${shared}[lane + half]`)}; }
  }
  workgroupBarrier();
  return ${shared}[0];
}`;
}

/** WGSL of a vec4's four components combined; a scalar is itself. */
export function horizontal(reduction: RowReduction, value: string, width: number): string {
  if (width === 1) return value;
  const pair = (a: string, b: string) => combine(reduction, `${value}.${a}`, `${value}.${b}`);
  return combine(reduction, `(${pair('x', 'y')})`, `(${pair('z', 'w')})`);
}
