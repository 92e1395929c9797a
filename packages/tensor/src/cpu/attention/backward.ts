import { roundUp } from '../../round-up.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Storage } from '../../device.ts';
import { bytesPerElement } from '../../dtype.ts';
import type { Tensor } from '../../tensor.ts';
import { pointerOf, type CpuKernel } from '../kernel.ts';
import { sumOfLanes } from '../lanes.ts';
import { exp } from '../math.ts';
import { transposeMatrix } from '../matmul/packing.ts';
import { reduceMiddleAxis } from '../reduce.ts';
import { F32x4, I32, ModuleBuilder, type FunctionBuilder } from '../wasm/index.ts';
import {
  attentionModule,
  attentionSizes,
  executeAttention,
  scoresStepOf,
  tileStepOf,
  type Unit,
} from './plan.ts';
import {
  clearRow,
  copyRows,
  eachVector,
  packPanels,
  tileProduct,
  tileRows,
  type TileProduct,
} from './tiles.ts';

/** Queries whose probabilities are kept at a time. */
const maxBlockRows = 64;

/** Gradients of q, k and v. Where queries are split, each split's part of dK and dV is summed afterwards. */
export const runAttentionBackward: CpuKernel<AttentionParams> = (run, call) => {
  const [q, k, v, output, logSums, dOutput, dLogSums, position] = call.inputs as [
    ...[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?],
  ];
  const [dQ, dK, dV] = call.outputs as [Tensor, Tensor, Tensor];
  const sizes = attentionSizes(q, k, call.params.heads);
  const { splits, rowsPerSplit, keys, size } = sizes;
  const partOf = (gradient: Tensor): Tensor | Storage =>
    splits === 1 ? gradient : run.temporary(splits * gradient.size * bytesPerElement);
  const [keyParts, valueParts] = [partOf(dK), partOf(dV)];

  const blocks = Math.ceil(rowsPerSplit / maxBlockRows);
  const blockRows = roundUp(Math.ceil(rowsPerSplit / blocks), tileRows);
  const { offsets, bytes } = workspaceOf(keys, size, blockRows);
  const tensors = [q, k, v, output, logSums, dOutput, dLogSums, dQ, keyParts, valueParts];
  const own = [
    ...tensors.map(pointerOf),
    ...[k.size * bytesPerElement, blockRows, tileStepOf(size)],
    ...offsets,
  ];
  const kernel = { key: 'attentionBackward', build: backwardModule };
  executeAttention(run, kernel, sizes, { ...call.params, position }, bytes, own);
  if (splits === 1) return;
  const parts = { outer: 1, length: splits, inner: k.size };
  reduceMiddleAxis(run, 'sum', 'f32', parts, keyParts, dK);
  reduceMiddleAxis(run, 'sum', 'f32', parts, valueParts, dV);
};

/** Where the workspace's areas begin: a tile, Kᵀ, Vᵀ, the sums dK and dV, a block of P and of dS. */
function workspaceOf(keys: number, size: number, blockRows: number) {
  const panels = 4 * roundUp(keys, 8) * size;
  const sums = roundUp(keys, tileRows) * tileStepOf(size);
  const block = blockRows * scoresStepOf(keys);
  const areas = [tileRows * tileStepOf(size), panels, panels, sums, sums, block, block];
  const ends = areas.map((_, i) => areas.slice(0, i + 1).reduce((a, b) => a + b, 0));
  return { offsets: ends.slice(0, -1), bytes: ends.at(-1)! };
}

// prettier-ignore
const words = [
  'q', 'k', 'v', 'output', 'logSums', 'dOutput', 'dLogSums', 'dQ', 'dK', 'dV',
  'partStep', 'blockRows', 'tileStep',
  'keyPanels', 'valuePanels', 'keySums', 'valueSums', 'p', 'dS',
] as const;
type Own = Record<(typeof words)[number], I32>;

interface Products {
  readonly panel: TileProduct;
  readonly rows: TileProduct;
  /** C += Aᵀ·B */
  readonly transposed: TileProduct;
}

function backwardModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  const transpose = transposeMatrix(module);
  const products: Products = {
    panel: tileProduct(module, { a: 'rows', b: 'panel' }),
    rows: tileProduct(module, { a: 'rows', b: 'rows' }),
    transposed: tileProduct(module, { a: 'columns', b: 'rows' }),
  };
  return attentionModule(module, words, (f, unit, own) => {
    const { w, workspace, rowStep, headBytes } = unit;
    const at = locate(f, unit, own);
    const count = unit.visible(unit.end);
    const rows = { step: rowStep, count, size: w.size };
    packPanels(f, transpose, { ...rows, from: at.k }, at.keyPanels);
    packPanels(f, transpose, { ...rows, from: at.v }, at.valuePanels);
    // dK and dV lie side by side, and end where P begins.
    clearRow(f, workspace, f.let(own.keySums), own.p);
    const i = f.let(unit.first);
    f.while(i.lt(unit.end), () => {
      const blockEnd = f.let(i.add(own.blockRows).min(unit.end));
      probabilities(f, unit, own, at, products, i, blockEnd);
      keyGradients(f, unit, own, at, products, i, blockEnd);
      f.set(i, blockEnd);
    });
    const part = f.let(unit.split.mul(own.partStep));
    for (const [sums, gradient] of [
      [at.keySums, own.dK],
      [at.valueSums, own.dV],
    ] as const) {
      const to = { pointer: unit.headAt(gradient, w.keys).add(part), step: rowStep };
      copyRows(f, { pointer: sums, step: own.tileStep }, to, w.keys, headBytes);
    }
  });
}

/** The unit's pointers: rows of its head, and areas of the workspace. */
function locate(f: FunctionBuilder, { w, workspace, batchHead, headAt }: Unit, own: Own) {
  const query = (tensor: I32): I32 => headAt(tensor, w.queries);
  const area = (offset: I32): I32 => f.let(workspace.add(offset));
  const perQuery = (tensor: I32): I32 => f.let(tensor.add(batchHead.mul(w.queries).shl(2)));
  return {
    ...{ q: query(own.q), k: headAt(own.k, w.keys), v: headAt(own.v, w.keys) },
    ...{ output: query(own.output), dOutput: query(own.dOutput), dQ: query(own.dQ) },
    ...{ logSums: perQuery(own.logSums), dLogSums: perQuery(own.dLogSums) },
    ...{ keyPanels: area(own.keyPanels), valuePanels: area(own.valuePanels) },
    ...{ keySums: area(own.keySums), valueSums: area(own.valueSums) },
    ...{ p: area(own.p), dS: area(own.dS) },
  };
}
type Pointers = ReturnType<typeof locate>;

/** P and dS of queries first ≤ i < end, tile by tile, and their dQ = dS·K. */
function probabilities(
  f: FunctionBuilder,
  unit: Unit,
  own: Own,
  at: Pointers,
  { panel, rows: product }: Products,
  first: I32,
  end: I32,
): void {
  const { w, workspace, rowStep, headBytes } = unit;
  const i = f.let(first);
  f.while(i.lt(end), () => {
    const height = f.let(I32.of(tileRows).min(end.sub(i)));
    const visible = unit.visible(i.add(height));
    const rows = f.let(i.mul(rowStep));
    const area = f.let(i.sub(first).mul(w.scoresStep));
    const [p, dS] = [f.let(at.p.add(area)), f.let(at.dS.add(area))];
    for (const [a, b, c] of [
      [at.q, at.keyPanels, p],
      [at.dOutput, at.valuePanels, dS],
    ] as const) {
      panel(f, {
        ...{ a: a.add(rows), aStep: rowStep, height, depth: w.size },
        ...{ b, bStep: I32.of(0), bNext: w.size.shl(5) },
        ...{ c, cStep: w.scoresStep, columns: visible },
      });
    }
    f.loop(0, height, 1, (r) => {
      const offset = f.let(r.mul(w.scoresStep));
      const row = { p: f.let(p.add(offset)), dS: f.let(dS.add(offset)) };
      const end = f.let(visible.add(tileRows - 1).shl(2));
      scoreGradients(f, unit, at, f.let(i.add(r)), row, end);
    });
    product(f, {
      ...{ a: dS, aStep: w.scoresStep, height, depth: visible },
      ...{ b: at.k, bStep: rowStep, bNext: I32.of(32) },
      ...{ c: workspace, cStep: own.tileStep, columns: w.size },
    });
    const to = { pointer: at.dQ.add(rows), step: rowStep };
    copyRows(f, { pointer: workspace, step: own.tileStep }, to, height, headBytes);
    f.set(i, i.add(tileRows));
  });
}

/** Query i: q·k and dO·v in its rows become P and dS = P (dO·v - δ) / √size, then zeros up to `end`. */
function scoreGradients(
  f: FunctionBuilder,
  { scale, rowStep, headBytes, visible }: Unit,
  at: Pointers,
  i: I32,
  row: { readonly p: I32; readonly dS: I32 },
  end: I32,
): void {
  const [output, dOutput] = [at.output, at.dOutput].map((rows) => f.let(rows.add(i.mul(rowStep))));
  const products = f.let(F32x4.of(0));
  eachVector(f, headBytes, (offset, keep) => {
    const product = f.f32x4(output!.add(offset)).mul(f.f32x4(dOutput!.add(offset)));
    f.set(products, products.add(keep(product, 0)));
  });
  // δ = dO·O - dLogSum
  const delta = f.let(sumOfLanes(f, products).sub(f.splat(at.dLogSums.add(i.shl(2)))));
  const logSum = f.let(f.splat(at.logSums.add(i.shl(2))));
  const bytes = f.let(visible(i.add(1)).shl(2));
  const offset = eachVector(f, bytes, (offset, keep) => {
    const p = exp(f, f.let(f.f32x4(row.p.add(offset)).mul(scale).sub(logSum)));
    const dS = f.f32x4(row.dS.add(offset)).sub(delta).mul(p).mul(scale);
    f.store(row.p.add(offset), keep(p, 0));
    f.store(row.dS.add(offset), keep(dS, 0));
  });
  clearRow(f, row.p, f.let(offset), end);
  clearRow(f, row.dS, offset, end);
}

/** dV += Pᵀ·dO and dK += dSᵀ·Q over queries first ≤ i < end, four keys at a time. */
function keyGradients(
  f: FunctionBuilder,
  unit: Unit,
  own: Own,
  at: Pointers,
  { transposed }: Products,
  first: I32,
  end: I32,
): void {
  const { w, rowStep } = unit;
  const visible = unit.visible(end);
  const seen = f.let(unit.before.add(first));
  const key = f.let(I32.of(0));
  f.while(key.lt(visible), () => {
    // Queries before the first that attends this key contribute nothing.
    const skipped = f.let(key.gt(seen).select(I32, key.sub(seen), I32.of(0)));
    const block = f.let(skipped.mul(w.scoresStep).add(key.shl(2)));
    const queries = f.let(first.add(skipped).mul(rowStep));
    const sums = f.let(key.mul(own.tileStep));
    for (const [a, b, c] of [
      [at.p, at.dOutput, at.valueSums],
      [at.dS, at.q, at.keySums],
    ] as const) {
      transposed(f, {
        ...{ a: a.add(block), aStep: w.scoresStep, height: I32.of(tileRows) },
        ...{ depth: end.sub(first).sub(skipped), b: b.add(queries), bStep: rowStep },
        ...{ bNext: I32.of(32), c: c.add(sums), cStep: own.tileStep, columns: w.size },
      });
    }
    f.set(key, key.add(tileRows));
  });
}
