import { roundUp } from '../../round-up.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { pointerOf, type CpuKernel } from '../kernel.ts';
import { foldLanes, sumOfLanes } from '../lanes.ts';
import { exp, log } from '../math.ts';
import { transposeMatrix } from '../matmul/packing.ts';
import { F32x4, I32, ModuleBuilder, type FunctionBuilder } from '../wasm/index.ts';
import {
  attentionModule,
  attentionSizes,
  executeAttention,
  scoresStepOf,
  tileStepOf,
  type Unit,
} from './plan.ts';
import { clearRow, copyRows, eachVector, packPanels, tileProduct, tileRows } from './tiles.ts';

// The workspace: a vector for each row's 1 / Σ exp, a tile of the output, a tile of scores, Kᵀ.
const tileOffset = 16 * tileRows;

/** The forward pass: the output, and log Σ exp of the scores for the backward pass. */
export const runAttention: CpuKernel<AttentionParams> = (run, { inputs, outputs, params }) => {
  const [q, k, v, position] = inputs as [Tensor, Tensor, Tensor, Tensor?];
  const sizes = attentionSizes(q, k, params.heads);
  const scoresOffset = tileOffset + tileRows * tileStepOf(sizes.size);
  const panelsOffset = scoresOffset + tileRows * scoresStepOf(sizes.keys);
  const bytes = panelsOffset + 4 * roundUp(sizes.keys, 8) * sizes.size;
  const kernel = { key: 'attention', build: forwardModule };
  const pointers = [q, k, v, ...outputs].map(pointerOf);
  const offsets = [tileStepOf(sizes.size), scoresOffset, panelsOffset];
  const masking = { ...params, position };
  executeAttention(run, kernel, sizes, masking, bytes, [...pointers, ...offsets]);
};

// prettier-ignore
const words = [
  'q', 'k', 'v', 'output', 'logSums', 'tileStep', 'scoresOffset', 'panelsOffset',
] as const;

/** Tiles of four queries: their scores with all keys that they attend, softmax row by row, then P·V. */
function forwardModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  const transpose = transposeMatrix(module);
  const scoresProduct = tileProduct(module, { a: 'rows', b: 'panel' });
  const valuesProduct = tileProduct(module, { a: 'rows', b: 'rows' });
  return attentionModule(module, words, (f, unit, own) => {
    const { w, workspace, rowStep, headBytes } = unit;
    const q = unit.headAt(own.q, w.queries);
    const k = unit.headAt(own.k, w.keys);
    const v = unit.headAt(own.v, w.keys);
    const output = unit.headAt(own.output, w.queries);
    const logSums = f.let(own.logSums.add(unit.batchHead.mul(w.queries).shl(2)));
    const tile = f.let(workspace.add(tileOffset));
    const scores = f.let(workspace.add(own.scoresOffset));
    const panels = f.let(workspace.add(own.panelsOffset));
    const keys = { from: k, step: rowStep, count: unit.visible(unit.end), size: w.size };
    packPanels(f, transpose, keys, panels);
    const i = f.let(unit.first);
    f.while(i.lt(unit.end), () => {
      const height = f.let(I32.of(tileRows).min(unit.end.sub(i)));
      const visible = unit.visible(i.add(height));
      const rows = f.let(i.mul(rowStep));
      scoresProduct(f, {
        ...{ a: q.add(rows), aStep: rowStep, height, depth: w.size },
        ...{ b: panels, bStep: I32.of(0), bNext: w.size.shl(5) },
        ...{ c: scores, cStep: w.scoresStep, columns: visible },
      });
      f.loop(0, height, 1, (r) => {
        const row = f.let(scores.add(r.mul(w.scoresStep)));
        const own = unit.visible(i.add(r).add(1));
        const { whole, logSum } = exponentials(f, unit, row, own, visible);
        f.store(logSums.add(i.add(r).shl(2)), logSum.lane(0));
        f.store(workspace.add(r.shl(4)), F32x4.of(1).div(whole));
      });
      valuesProduct(f, {
        ...{ a: scores, aStep: w.scoresStep, height, depth: visible },
        ...{ b: v, bStep: rowStep, bNext: I32.of(32) },
        ...{ c: tile, cStep: own.tileStep, columns: w.size },
      });
      const to = { pointer: output.add(rows), step: rowStep };
      copyRows(f, { pointer: tile, step: own.tileStep }, to, height, headBytes, (x, r) =>
        x.mul(f.f32x4(workspace.add(r.shl(4)))),
      );
      f.set(i, i.add(tileRows));
    });
  });
}

/** Turns a row of `count` products into exp(score - max), zero up to `end`; their sum and its log. */
function exponentials(
  f: FunctionBuilder,
  { scale }: Unit,
  row: I32,
  count: I32,
  end: I32,
): { whole: F32x4; logSum: F32x4 } {
  const bytes = f.let(count.shl(2));
  const most = f.let(F32x4.of(-Infinity));
  eachVector(f, bytes, (offset, keep) =>
    f.set(most, most.pmax(keep(f.f32x4(row.add(offset)), -Infinity))),
  );
  const shift = f.let(foldLanes(f, most, (a, b) => a.pmax(b)).mul(scale));
  const sum = f.let(F32x4.of(0));
  const offset = eachVector(f, bytes, (offset, keep) => {
    const value = exp(f, f.let(f.f32x4(row.add(offset)).mul(scale).sub(shift)));
    const kept = f.let(keep(value, 0));
    f.store(row.add(offset), kept);
    f.set(sum, sum.add(kept));
  });
  clearRow(f, row, offset, f.let(end.shl(2)));
  const whole = sumOfLanes(f, sum);
  return { whole, logSum: f.let(log(f, whole).add(shift)) };
}
