import type { DType } from '../../dtype.ts';
import { memoize } from '../../memo.ts';
import type { Kernel } from '../kernel.ts';

/** Who reduces a row. */
export interface RowVariant {
  /** Numbered, such as "6-one-subgroup". */
  readonly name: string;
  /** Neighbouring invocations that share one row; a power of two that divides `workgroup`. */
  readonly lanes: number;
  /** Invocations of a workgroup, which has `workgroup / lanes` rows. */
  readonly workgroup: number;
  /** Size of the subgroups that take part; 0 where lanes meet at barriers alone. */
  readonly subgroup: number;
}

export type RowReduction = 'sum' | 'max' | 'min';

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

export const enableSubgroups = ({ subgroup }: RowVariant): string =>
  subgroup ? 'enable subgroups;' : '';

/** Memoises a kernel factory by the variant, and by further values that are baked into the source. */
export function memoizeByVariant<A extends readonly (string | number | boolean)[]>(
  make: (variant: RowVariant, ...args: A) => Kernel,
): (variant: RowVariant, ...args: A) => Kernel {
  const made = memoize((lanes: number, workgroup: number, subgroup: number, ...args: A) =>
    make({ name: '', lanes, workgroup, subgroup }, ...args),
  );
  return ({ lanes, workgroup, subgroup }, ...args) => made(lanes, workgroup, subgroup, ...args);
}

/**
 * WGSL of `fn main` around a body that sees `row`, `lane` and `local`, the invocation's index in its workgroup.
 * Where a workgroup has several rows, `row` may be past the last one, and is not uniform.
 */
export function rowMain({ lanes, workgroup }: RowVariant, body: string): string {
  const place =
    lanes === workgroup
      ? 'let row = linear_workgroup(w, n); let lane = local;'
      : `let row = linear_workgroup(w, n) * ${workgroup / lanes}u + local / ${lanes}u; let lane = local % ${lanes}u;`;
  return `
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) local: u32) {
  ${place}
  ${body}
}`;
}

/**
 * WGSL functions `row_sum(value, local) -> T` (and max, min): every lane of a row gets the result over all of its lanes,
 * in a fixed order. With more than one lane, call them in uniform control flow.
 */
export function rowFunctions(
  variant: RowVariant,
  reductions: readonly RowReduction[],
  T: DType | 'vec4f' = 'f32',
): string {
  return reductions.map((reduction) => rowFunction(variant, reduction, T)).join('');
}

function rowFunction(variant: RowVariant, reduction: RowReduction, T: DType | 'vec4f'): string {
  const { lanes, workgroup, subgroup } = variant;
  const head = `fn row_${reduction}(value: ${T}, local: u32) -> ${T} {`;
  if (lanes === 1) return `\n${head} return value; }`;
  const call = `${subgroupCalls[reduction]}(value)`;
  if (subgroup === lanes) return `\n${head} return ${call}; }`;
  const shared = `row_${reduction}_shared`;
  if (subgroup) {
    return `
var<workgroup> ${shared}: array<${T}, ${lanes / subgroup}>;
${head}
  let own = ${call};
  workgroupBarrier();
  if (local % ${subgroup}u == 0u) { ${shared}[local / ${subgroup}u] = own; }
  workgroupBarrier();
  var total = ${shared}[0];
  for (var i = 1u; i < ${lanes / subgroup}u; i++) { total = ${combine(reduction, 'total', `${shared}[i]`)}; }
  return total;
}`;
  }
  return `
var<workgroup> ${shared}: array<${T}, ${workgroup}>;
${head}
  let lane = local % ${lanes}u;
  workgroupBarrier();
  ${shared}[local] = value;
  for (var half = ${lanes / 2}u; half > 0u; half = half / 2u) {
    workgroupBarrier();
    if (lane < half) { ${shared}[local] = ${combine(reduction, `${shared}[local]`, `${shared}[local + half]`)}; }
  }
  workgroupBarrier();
  return ${shared}[local - lane];
}`;
}

/** WGSL of a vec4's four components combined; a scalar is itself. */
export function horizontal(reduction: RowReduction, value: string, width: number): string {
  if (width === 1) return value;
  const pair = (a: string, b: string) => combine(reduction, `${value}.${a}`, `${value}.${b}`);
  return combine(reduction, `(${pair('x', 'y')})`, `(${pair('z', 'w')})`);
}
