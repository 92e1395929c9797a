import type { WebGpuCapabilities } from './kernel.ts';

/** Invocations of a workgroup whose rows are shared among lanes; `lanes` divides it. */
export const rowWorkgroupSize = 64;

/**
 * How many neighbouring invocations share a row of `length` steps. Software adapters give each invocation
 * a row of its own: their barriers cost more than the idle lanes save.
 */
export function lanesForRows({ adapterKind }: WebGpuCapabilities, length: number): number {
  if (adapterKind === 'software') return 1;
  let lanes = 1;
  while (lanes < rowWorkgroupSize && lanes < length) lanes *= 2;
  return lanes;
}

/** Workgroups for `rows` rows of `lanes` lanes. */
export function rowWorkgroups(rows: number, lanes: number): number {
  return Math.ceil((rows * lanes) / rowWorkgroupSize);
}

/**
 * WGSL functions `row_sum` and `row_max` that combine the value of each lane of a row, in a fixed order, and
 * return the result to all of them. With more than one lane they must be called in uniform control flow.
 */
export function rowReductions(lanes: number): string {
  if (lanes === 1) {
    return `
fn row_sum(value: f32, local: u32) -> f32 { return value; }
fn row_max(value: f32, local: u32) -> f32 { return value; }`;
  }
  const reduction = (name: string, combine: (a: string, b: string) => string) => `
fn ${name}(value: f32, local: u32) -> f32 {
  let lane = local % ${lanes}u;
  row_values[local] = value;
  workgroupBarrier();
  for (var step = ${lanes / 2}u; step > 0u; step /= 2u) {
    if (lane < step) {
      row_values[local] = ${combine('row_values[local]', 'row_values[local + step]')};
    }
    workgroupBarrier();
  }
  let result = row_values[local - lane];
  workgroupBarrier();
  return result;
}`;
  return `
var<workgroup> row_values: array<f32, ${rowWorkgroupSize}>;
${reduction('row_sum', (a, b) => `${a} + ${b}`)}
${reduction('row_max', (a, b) => `max(${a}, ${b})`)}`;
}

/** `alias T`, four floats or one, and the sum of its components. */
export function vectorType(width: number): string {
  return width === 4
    ? `alias T = vec4f;\nfn total(v: T) -> f32 { return (v.x + v.y) + (v.z + v.w); }`
    : `alias T = f32;\nfn total(v: T) -> f32 { return v; }`;
}
