import type { Storage } from '../device.ts';
import type { Tensor } from '../tensor.ts';
import { floatWord } from './command-list.ts';
import { gumbelOf, normalsOf, uniformOf } from './distributions.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { philoxBlocks } from './philox.ts';
import { storeLanes } from './pointwise/primitives.ts';
import { eachQuad } from './quads.ts';
import {
  F32x4,
  I32x4,
  kernelModule,
  readWords,
  type FunctionBuilder,
  type I32,
} from './wasm/index.ts';

const elementsPerTask = 4096;

type Distribution = 'uniform' | 'normal' | 'gumbel';

/** Fills `y` with offset + scale · number; element i comes from word i of the call. */
export function fillRandom(
  run: CpuKernelRun,
  distribution: Distribution,
  state: Tensor,
  [y, count]: readonly [Tensor | Storage, number],
  { call, offset, scale }: { call: number; offset: number; scale: number },
): void {
  run.execute({
    key: `random ${distribution}`,
    build: () => fillModule(distribution),
    words: [pointerOf(state), call, pointerOf(y), 4 * count, floatWord(offset), floatWord(scale)],
    taskCount: Math.ceil(count / elementsPerTask),
  });
}

function fillModule(distribution: Distribution) {
  return kernelModule((f, args, task) => {
    const { state, call, y, bytes } = readWords(f, args, ['state', 'call', 'y', 'bytes']);
    const [offset, scale] = [f.let(f.splat(args, 16)), f.let(f.splat(args, 20))];
    const wordsAt = philoxBlocks(f, { state, call });
    const at = f.let(task.mul(4 * elementsPerTask));
    const end = f.let(at.add(4 * elementsPerTask).min(bytes));
    f.while(at.lt(end), () => {
      wordsAt(f.let(at.shr(4))).forEach((words, i) => {
        const value = f.let(numbersOf(f, distribution, words).mul(scale).add(offset));
        const left = f.let(end.sub(at));
        f.if(left.gt(16 * i), () =>
          storeLanes(f, f.let(y.add(at).add(16 * i)), f.let(left.sub(16 * i)), value),
        );
      });
      f.set(at, at.add(64));
    });
  });
}

function numbersOf(f: FunctionBuilder, distribution: Distribution, words: I32x4): F32x4 {
  if (distribution === 'uniform') return uniformOf(words);
  return distribution === 'normal' ? normalsOf(f, words) : gumbelOf(f, words);
}

/** For each row of logits the index of the largest logit + Gumbel noise: a draw from their softmax. */
export function sampleRows(
  run: CpuKernelRun,
  { state, logits, to, call }: { state: Tensor; logits: Tensor; to: Tensor; call: number },
): void {
  const noise = run.temporary(4 * Math.max(1, logits.size));
  fillRandom(run, 'gumbel', state, [noise, logits.size], { call, offset: 0, scale: 1 });
  const classes = logits.shape.at(-1)!;
  const rowsPerTask = Math.max(1, Math.floor(elementsPerTask / classes));
  run.execute({
    key: 'sample rows',
    build: argmaxModule,
    words: [pointerOf(logits), pointerOf(noise), pointerOf(to), to.size, classes, rowsPerTask],
    taskCount: Math.ceil(to.size / rowsPerTask),
  });
}

/** The first index of the largest sum of two rows. */
function argmaxModule() {
  return kernelModule((f, args, task) => {
    // prettier-ignore
    const w = readWords(f, args, ['logits', 'noise', 'to', 'rows', 'classes', 'rowsPerTask']);
    const bytes = f.let(w.classes.shl(2));
    f.eachOfTask(task, w.rowsPerTask, w.rows, (row) => {
      const logits = f.let(w.logits.add(row.mul(bytes)));
      const noise = f.let(w.noise.add(row.mul(bytes)));
      f.store(w.to.add(row.shl(2)), largestIndex(f, logits, noise, bytes));
    });
  });
}

function largestIndex(f: FunctionBuilder, logits: I32, noise: I32, bytes: I32): I32 {
  const best = f.let(F32x4.of(-Infinity));
  const index = f.let(I32x4.of(0));
  eachQuad(f, bytes, (quad) => {
    const score = f.let(quad.keep(quad.load(logits).add(quad.load(noise)), -Infinity));
    const isBetter = f.let(score.gt(best));
    const own = quad.offset
      .shr(2)
      .splat()
      .add(I32x4.lanes([0, 1, 2, 3]));
    f.set(index, isBetter.selectI32x4(own, index));
    f.set(best, isBetter.select(score, best));
  });
  const [score, at] = [f.let(best.lane(0)), f.let(index.lane(0))];
  for (const lane of [1, 2, 3]) {
    const [other, otherAt] = [f.let(best.lane(lane)), f.let(index.lane(lane))];
    const isTie = other.gt(score).not().and(score.gt(other).not());
    const isBetter = f.let(other.gt(score).or(isTie.and(otherAt.lt(at))));
    f.if(isBetter, () => {
      f.set(score, other);
      f.set(at, otherAt);
    });
  }
  return at;
}
