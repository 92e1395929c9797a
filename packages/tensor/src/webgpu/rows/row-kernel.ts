import type { Storage } from '../../device.ts';
import type { Tensor } from '../../tensor.ts';
import {
  kernel,
  type Access,
  type ElementType,
  type Kernel,
  type KernelRun,
  type UniformType,
} from '../kernel.ts';
import { floatType } from '../wgsl.ts';
import { wholeRows } from './select.ts';
import { runRowWork } from './tune.ts';
import {
  enableSubgroups,
  horizontal,
  memoizeByVariant,
  rowFunctions,
  rowMain,
  type RowReduction,
  type RowVariant,
} from './variant.ts';

/** WGSL pieces for the body of a row kernel. */
export interface RowBody {
  /** Element type of the row bindings: f32 or vec4f. */
  readonly T: 'f32' | 'vec4f';
  readonly width: 1 | 4;
  /** Runs `body` for the row's elements: `i` counts them (in units of T), `at` is the place in a row binding. */
  each(body: string): string;
  /** The reduction over the whole row of a value that each lane has accumulated as a T. */
  total(reduction: RowReduction, value: string): string;
}

/** Makes the kernel of [rows, length] by a variant. */
export interface RowKernelFactory {
  (variant: RowVariant, length: number): Kernel;
}

/**
 * A family of row kernels, for each variant and vector width. Bindings marked `row` are [rows, length];
 * the body runs once a row, sees `row` and `lane`, and the uniforms `u.rows`, `u.groups` (length in units of T).
 */
export function rowKernels(options: {
  name: string;
  reductions: readonly RowReduction[];
  bindings: Readonly<Record<string, `${Access} ${ElementType | 'row'}`>>;
  uniforms?: Readonly<Record<string, UniformType>>;
  /** WGSL functions that the body calls. */
  helpers?: (T: RowBody['T']) => string;
  body: (pieces: RowBody) => string;
}): RowKernelFactory {
  const make = memoizeByVariant((variant, width: number) => {
    const T = floatType(width);
    const bindings = Object.entries(options.bindings).map(([name, type]) => [
      name,
      type.replace('row', T),
    ]);
    const body = options.body({
      T,
      width: width === 4 ? 4 : 1,
      each: (inner) =>
        `for (var i = lane; i < u.groups; i += ${variant.lanes}u) { let at = start + i; ${inner} }`,
      total: (reduction, value) =>
        `row_${reduction}(${horizontal(reduction, value, width)}, local)`,
    });
    const main = `if (row >= u.rows) { return; }
  let start = row * u.groups;
  ${body}`;
    return kernel({
      name: options.name,
      enable: enableSubgroups(variant),
      bindings: Object.fromEntries(bindings) as Kernel['bindings'],
      uniforms: { rows: 'u32', groups: 'u32', ...options.uniforms },
      code: `${rowFunctions(variant, options.reductions)}${options.helpers?.(T) ?? ''}${rowMain(variant, main)}`,
    });
  });
  return (variant, length) => make(variant, length % 4 === 0 ? 4 : 1);
}

/** Dispatches a row kernel over [rows, length]. */
export function runRows(
  run: KernelRun,
  kernels: RowKernelFactory,
  [rows, length]: readonly [number, number],
  buffers: readonly (Tensor | Storage)[],
  uniforms: readonly number[] = [],
): void {
  const groups = length % 4 === 0 ? length / 4 : length;
  runRowWork(run, {
    ...{ table: wholeRows, rows, length, buffers },
    kernel: (variant) => kernels(variant, length),
    uniforms: [rows, groups, ...uniforms],
  });
}
