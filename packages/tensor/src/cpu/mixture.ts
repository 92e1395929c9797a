import { smallestStd, type MixtureParams } from '../ops/mixture-head.ts';
import type { Tensor } from '../tensor.ts';
import { floatWord } from './command-list.ts';
import { pointerOf } from './kernel.ts';
import { exp } from './math.ts';
import { scratchBytes } from './participant.ts';
import { foldQuads } from './quads.ts';
import { F32x4, readWords, type FunctionBuilder, type I32 } from './wasm/index.ts';

/** Elements z × components of one task. */
const elementsPerTask = 16384;

// Parameters that all mixture kernels have; the blocks' pointers follow.
// prettier-ignore
const names = [
  'groups', 'values', 'channels', 'components', 'groupsPerTask', 'valuesPerTask', 'valueTasks',
  'logitScale', 'scale', 'constant',
] as const;

/**
 * Splits the [groups, n, d] values of a mixture op into tasks: some groups each, or some values of one group.
 * @param splitGroups whether a group's values may go to several tasks
 */
export function planMixture(
  z: Tensor,
  blocks: readonly Tensor[],
  { components, logitScale, scale }: MixtureParams,
  splitGroups: boolean,
): { words: number[]; taskCount: number } {
  const [groups, values, channels] = z.shape as [number, number, number];
  // Rows of the channels' and twice of the components' numbers, each up to a vector too long.
  if (4 * (channels + 2 * components + 12) > scratchBytes) {
    throw new Error(
      `a mixture of ${components} components over ${channels} channels needs more than the ` +
        `${scratchBytes} bytes of scratch memory that each thread of the CPU device has`,
    );
  }
  const perValue = Math.max(1, components * channels);
  // To read a head costs as much as some values.
  const perGroup = perValue * (values + 6);
  const groupsPerTask = Math.max(1, Math.floor(elementsPerTask / perGroup));
  const isSplit = splitGroups && perGroup > elementsPerTask;
  const valuesPerTask = isSplit ? Math.max(16, Math.floor(elementsPerTask / perValue)) : values;
  // Without any values a head still has its gradient, zeros.
  const valueTasks = Math.max(1, Math.ceil(values / Math.max(1, valuesPerTask)));
  // The normal density's constant: d / 2 · ln 2π
  const constant = 0.5 * channels * Math.log(2 * Math.PI);
  return {
    words: [
      ...[groups, values, channels, components, groupsPerTask, valuesPerTask, valueTasks],
      ...[logitScale, scale, constant].map(floatWord),
      ...blocks.map(pointerOf),
    ],
    taskCount: Math.ceil(groups / groupsPerTask) * valueTasks,
  };
}

/** The group that a mixture kernel is at. */
export interface MixtureGroup {
  /** Sizes of a row of channels and of components. */
  readonly channelBytes: I32;
  readonly componentBytes: I32;
  /** The numbers of the group's values that this task does: first to end. */
  readonly first: I32;
  readonly end: I32;
  /** Where the head's logits, means and raw scales are, in any block of the head's shape. */
  partsOf(head: I32): { logits: I32; means: I32; raws: I32 };
  /** d / 2 · ln 2π */
  readonly constant: F32x4;
  /** T_π */
  readonly logitScale: F32x4;
  /** T_π · logits, shifted by their maximum: T_π l - max, and Σ exp of it. */
  weights(logits: I32): { shifted: (logit: F32x4) => F32x4; total: F32x4 };
  /** Standard deviation, and √(raw² + 4), of raw scales. */
  deviations(raw: F32x4): Deviations;
}

export interface Deviations {
  readonly root: F32x4;
  /** squareplus(raw) = ½(raw + √(raw² + 4)), before the smallest is imposed. */
  readonly squareplus: F32x4;
  /** T_σ · max(squareplus, smallest) */
  readonly std: F32x4;
  /** 1 / std */
  readonly inverse: F32x4;
}

/** Runs `body` for each group of a task; `blocks` are the pointers given to the plan. */
export function eachMixtureGroup(
  f: FunctionBuilder,
  args: I32,
  task: I32,
  blockCount: number,
  body: (group: MixtureGroup, blocks: I32[]) => void,
): void {
  const w = readWords(f, args, names);
  const blocks = Array.from({ length: blockCount }, (_, i) =>
    f.let(f.i32(args, 4 * (names.length + i))),
  );
  const float = (name: (typeof names)[number]): F32x4 =>
    f.let(f.splat(args, 4 * names.indexOf(name)));
  const [logitScale, scale, constant] = [float('logitScale'), float('scale'), float('constant')];
  const inverseScale = f.let(F32x4.of(1).div(scale));
  const channelBytes = f.let(w.channels.shl(2));
  const componentBytes = f.let(w.components.shl(2));
  const meansBytes = f.let(w.components.mul(channelBytes));
  const group = f.let(task.div(w.valueTasks).mul(w.groupsPerTask));
  const endGroup = f.let(group.add(w.groupsPerTask).min(w.groups));
  const chunk = f.let(task.rem(w.valueTasks).mul(w.valuesPerTask));
  const end = f.let(chunk.add(w.valuesPerTask).min(w.values));
  const base = f.let(group.mul(w.values));
  f.while(group.lt(endGroup), () => {
    const inGroup: MixtureGroup = {
      channelBytes,
      componentBytes,
      first: f.let(base.add(chunk)),
      end: f.let(base.add(end)),
      constant,
      logitScale,
      partsOf(head) {
        const logits = f.let(head.add(group.mul(componentBytes.add(meansBytes.shl(1)))));
        const means = f.let(logits.add(componentBytes));
        return { logits, means, raws: f.let(means.add(meansBytes)) };
      },
      weights(logits) {
        const scaled = (logit: F32x4): F32x4 => logit.mul(logitScale);
        const largest = foldQuads(f, 'max', componentBytes, (q) => scaled(q.load(logits)));
        const shifted = (logit: F32x4): F32x4 => f.let(scaled(logit).sub(largest));
        const total = foldQuads(f, 'sum', componentBytes, (q) => exp(f, shifted(q.load(logits))));
        return { shifted, total };
      },
      deviations(raw) {
        const root = f.let(raw.madd(raw, F32x4.of(4)).sqrt());
        // squareplus(x) · squareplus(-x) = 1: a negative number's follows without cancellation.
        const isPositive = f.let(raw.gt(0));
        const sum = f.let(root.add(raw.abs()).mul(0.5));
        const other = f.let(F32x4.of(1).div(sum));
        const squareplus = f.let(isPositive.select(sum, other));
        const std = f.let(squareplus.pmax(smallestStd).mul(scale));
        const inverse = isPositive
          .select(other, sum)
          .pmin(1 / smallestStd)
          .mul(inverseScale);
        return { root, squareplus, std, inverse: f.let(inverse) };
      },
    };
    body(inGroup, blocks);
    f.set(base, base.add(w.values));
    f.set(group, group.add(1));
  });
}
