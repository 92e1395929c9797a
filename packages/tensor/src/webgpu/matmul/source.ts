import type { Expression } from '../../expression/ast.ts';
import { WeakMemo } from '../../memo.ts';
import { kernel, type Kernel, type UniformType } from '../kernel.ts';
import { epilogueKey, epilogueUniforms, epilogueWgsl, type Epilogue } from './epilogue.ts';
import type { BatchLayout, MatmulProblem } from '../../matmul-problem.ts';

/** What is baked into a matmul kernel's source. Sizes are uniforms. */
export interface MatmulSource {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** n and k are multiples of 4: rows of b and of the output are whole vec4s. */
  readonly aligned: boolean;
  /** Rows of a, as it is stored, are whole vec4s too. */
  readonly alignedA: boolean;
  readonly epilogue: Epilogue;
}

/** A way to compute matrix products, numbered in the order of their invention. */
export interface MatmulVariant {
  readonly name: string;
  /** Output rows and columns of one workgroup. */
  readonly tileRows: number;
  readonly tileColumns: number;
  /** A slice of k that a workgroup sums must be a multiple of this, unless it is the last. */
  readonly stepK: number;
  /** Slices of k shorter than this cost more in partial sums than they gain. Default: 128. */
  readonly shortestSlice?: number;
  /** Reads rows of whole vec4s where n and k allow it. */
  readonly vectorized: boolean;
  /** Rounds its factors to f16. */
  readonly reducedPrecision?: true;
  make(source: MatmulSource): Kernel;
}

export const alignedType = (source: { readonly aligned: boolean }) =>
  source.aligned ? ('vec4f' as const) : ('f32' as const);

const batchUniforms = (name: string): [string, UniformType][] => [
  [`${name}Offset`, 'u32'],
  [`${name}Outer`, 'u32'],
  [`${name}Step`, 'u32'],
];

const uniforms: Record<string, UniformType> = Object.fromEntries([
  ...['m', 'n', 'k', 'batches', 'inner', 'sliceK', 'tilesM', 'tilesN', 'count', 'firstRow'].map(
    (name): [string, UniformType] => [name, 'u32'],
  ),
  ...batchUniforms('a'),
  ...batchUniforms('b'),
]);

/**
 * A kernel from a body that sees the operands as `a`, `b`, `output` and may call `finish`. The function
 * `place` tells a workgroup which tile, batch and slice of k are its own; all its offsets count elements.
 */
export function matmulKernel(options: {
  readonly name: string;
  readonly source: MatmulSource;
  readonly a: 'f32' | 'vec4f';
  readonly b: 'f32' | 'vec4f';
  readonly enable?: string;
  readonly code: string;
}): Kernel {
  const { name, source, a, b, enable, code } = options;
  const T = alignedType(source);
  const extra = epilogueWgsl(source.epilogue, T);
  return kernel({
    name,
    bindings: { a: `read ${a}`, b: `read ${b}`, output: `write ${T}`, ...extra.bindings },
    uniforms: { ...uniforms, ...extra.uniforms },
    enable,
    code: `${extra.code}
struct Place {
  tile_m: u32,
  tile_n: u32,
  a: u32,
  b: u32,
  output_row: u32,
  k_start: u32,
  k_end: u32,
}
fn place(workgroup: u32) -> Place {
  let tile_n = workgroup % u.tilesN;
  let rest = workgroup / u.tilesN;
  let tile_m = rest % u.tilesM;
  let slice_batch = rest / u.tilesM;
  let batch = slice_batch % u.batches;
  let slice = slice_batch / u.batches;
  return Place(
    tile_m,
    tile_n,
    u.aOffset + (batch / u.inner) * u.aOuter + (batch % u.inner) * u.aStep,
    u.bOffset + (batch / u.inner) * u.bOuter + (batch % u.inner) * u.bStep,
    u.firstRow + slice_batch * u.m,
    slice * u.sliceK,
    min(u.k, (slice + 1) * u.sliceK),
  );
}
${code}`,
  });
}

/** Values of a matmul kernel's uniforms. */
export function matmulUniforms(
  problem: MatmulProblem,
  tiles: { readonly m: number; readonly n: number; readonly count: number },
  sliceK: number,
  epilogue: Epilogue,
  T: 'f32' | 'vec4f',
): number[] {
  const { m, n, k, batches, inner, firstRow, a, b } = problem;
  const layout = ({ offset, outer, step }: BatchLayout) => [offset, outer, step];
  return [
    ...[m, n, k, batches, inner, sliceK, tiles.m, tiles.n, tiles.count, firstRow],
    ...layout(a),
    ...layout(b),
    ...epilogueUniforms(epilogue, T),
  ];
}

const made = new WeakMemo<Expression, Kernel>();

/** Memoises kernels by name, source and epilogue. */
export function memoizeSource(
  name: string,
  source: MatmulSource,
  make: (source: MatmulSource) => Kernel,
): Kernel {
  const { transposeA, transposeB, aligned, alignedA, epilogue } = source;
  const key = [name, transposeA, transposeB, aligned, alignedA, epilogueKey(epilogue)].join();
  return made.get(epilogue.expression, key, () => make(source));
}
