import { roundUp } from '../../round-up.ts';
import type { AttentionParams } from '../../ops/attention.ts';
import type { Tensor } from '../../tensor.ts';
import { floatWord } from '../command-list.ts';
import { pointerOf, type CpuKernelRun } from '../kernel.ts';
import { scratchBytes } from '../participant.ts';
import { F32x4, I32, readWords, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';
import { tileRows } from './tiles.ts';

/** Units of work below which the queries of one head are split. */
const wantedUnits = 8;
const minSplitRows = 48;
const maxTasksWithMemory = 16;

export interface AttentionSizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** Columns of one head. */
  readonly size: number;
  /** A unit of work is one batch element, one head, one split of the queries. */
  readonly splits: number;
  readonly rowsPerSplit: number;
}

/** Sizes and splits; they follow from the shapes alone, and with them the order of all sums. */
export function attentionSizes(q: Tensor, k: Tensor, heads: number): AttentionSizes {
  const [batch, queries, width] = q.shape as [number, number, number];
  const wanted = Math.ceil(wantedUnits / Math.max(1, batch * heads));
  const most = Math.max(1, Math.min(wanted, Math.floor(queries / minSplitRows)));
  const rowsPerSplit = roundUp(Math.max(1, Math.ceil(queries / most)), tileRows);
  const splits = Math.max(1, Math.ceil(queries / rowsPerSplit));
  return { batch, heads, queries, keys: k.shape[1]!, size: width / heads, splits, rowsPerSplit };
}

// prettier-ignore
const problemWords = [
  'position', 'unmasked', 'queries', 'keys', 'heads', 'size', 'splits', 'rowsPerSplit',
  'units', 'tasks', 'scoresStep', 'workspace', 'workspaceBytes', 'scale',
] as const;
type Words = Record<(typeof problemWords)[number], I32>;

/** Bytes from one row of scores to the next: room for whole tiles and the zeros behind them. */
export const scoresStepOf = (keys: number): number => 4 * (roundUp(keys, 8) + 8);
/** Bytes from one row of a head's tile to the next. */
export const tileStepOf = (size: number): number => 4 * roundUp(size, 8);

/** Runs an attention kernel with `pointers`, then the problem's words, then the kernel's `own` ones. */
export function executeAttention(
  run: CpuKernelRun,
  kernel: { readonly key: string; readonly build: () => ModuleBuilder },
  sizes: AttentionSizes,
  { causal, position }: AttentionParams & { readonly position: Tensor | undefined },
  workspaceBytes: number,
  own: readonly number[],
): void {
  const { batch, heads, queries, keys, size, splits, rowsPerSplit } = sizes;
  const units = batch * heads * splits;
  // What a thread's scratch memory does not hold gets memory for each task.
  const needsMemory = workspaceBytes > scratchBytes;
  const tasks = needsMemory ? Math.min(units, maxTasksWithMemory) : units;
  const workspace = needsMemory ? pointerOf(run.temporary(tasks * workspaceBytes)) : 0;
  const masking = [position ? pointerOf(position) : 0, causal ? 0 : keys];
  run.execute({
    ...kernel,
    words: [
      ...masking,
      ...[queries, keys, heads, size, splits, rowsPerSplit, units, tasks],
      ...[scoresStepOf(keys), workspace, workspaceBytes],
      floatWord(1 / Math.sqrt(size)),
      ...own,
    ],
    taskCount: tasks,
  });
}

/** One unit of work: some queries of one head. Steps and offsets in bytes. */
export interface Unit {
  readonly w: Words;
  readonly scale: F32x4;
  readonly workspace: I32;
  readonly batchHead: I32;
  readonly split: I32;
  /** From one row of q, k, v or the output to the next. */
  readonly rowStep: I32;
  /** Bytes of a head in a row. */
  readonly headBytes: I32;
  /** Where the head's first row lies in a tensor of `rows` rows a batch element. */
  headAt(tensor: I32, rows: I32): I32;
  /** The queries: first ≤ i < end. */
  readonly first: I32;
  readonly end: I32;
  /** Query i attends keys 0 … before + i, as far as there are keys. */
  readonly before: I32;
  /** Keys that the last of the queries before `queryEnd` attends. */
  visible(queryEnd: I32): I32;
}

/** A module whose tasks run `body` for their units. */
export function attentionModule<const Own extends readonly string[]>(
  module: ModuleBuilder,
  ownWords: Own,
  body: (f: FunctionBuilder, unit: Unit, own: Record<Own[number], I32>) => void,
): ModuleBuilder {
  module.kernel((f, args, task) => {
    const w = readWords(f, args, problemWords);
    const own = readWords(f, args.add(4 * problemWords.length), ownWords);
    const scale = f.let(f.splat(args, 4 * problemWords.indexOf('scale')));
    const shared = w.workspace.add(task.mul(w.workspaceBytes));
    const workspace = f.let(w.workspace.eq(0).select(I32, module.scratch, shared));
    const headBytes = f.let(w.size.shl(2));
    const rowStep = f.let(w.heads.mul(headBytes));
    const before = f.let(w.unmasked);
    f.if(w.position.ne(0), () => {
      const position = f.let(f.i32(w.position));
      f.set(before, position.min(w.keys));
    });
    const unit = f.let(task);
    f.while(unit.lt(w.units), () => {
      const batchHead = f.let(unit.div(w.splits));
      const split = f.let(unit.rem(w.splits));
      const [batch, head] = [f.let(batchHead.div(w.heads)), f.let(batchHead.rem(w.heads))];
      const first = f.let(split.mul(w.rowsPerSplit));
      const end = f.let(first.add(w.rowsPerSplit).min(w.queries));
      const headAt = (tensor: I32, rows: I32): I32 =>
        f.let(tensor.add(batch.mul(rows).mul(rowStep)).add(head.mul(headBytes)));
      const visible = (queryEnd: I32): I32 => f.let(before.add(queryEnd).min(w.keys));
      const bounds = { first, end, before, visible };
      const rows = { rowStep, headBytes, headAt };
      body(f, { w, scale, workspace, batchHead, split, ...rows, ...bounds }, own);
      f.set(unit, unit.add(w.tasks));
    });
  });
  return module;
}
