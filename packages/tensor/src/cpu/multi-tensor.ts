import type { Tensor } from '../tensor.ts';
import { floatWord } from './command-list.ts';
import { pointerOf, type CpuKernelRun } from './kernel.ts';
import { eachQuad, type Quad } from './quads.ts';
import {
  kernelModule,
  type F32x4,
  type FunctionBuilder,
  type I32,
  type ModuleBuilder,
} from './wasm/index.ts';

// Many tensors, most of them small, in one command: they are cut into segments, and a task does some of them.

const elementsPerTask = 8192;
/** Bounds the parameters of one command: a list of commands has room for 64 KiB. */
const maxSegments = 512;
const segmentsPerTask = 64;

/** Four neighbouring elements of the current segment. */
export interface SegmentQuad {
  load(block: string): F32x4;
  store(block: string, value: F32x4): void;
  /** The value with 0 in the lanes beyond the segment's end. */
  keep(value: F32x4): F32x4;
  /** A number of the segment's tensor, in all lanes. */
  number(name: string): F32x4;
}

export interface MultiTensorTask {
  readonly f: FunctionBuilder;
  readonly task: I32;
  /** A pointer that all segments share. */
  shared(name: string): I32;
  /** A number that all segments share, in all lanes. */
  number(name: string): F32x4;
  /** Runs `body` over the task's segments. */
  each(body: (quad: SegmentQuad) => void): void;
}

export interface MultiTensorKernel {
  readonly name: string;
  readonly shared: readonly string[];
  /** Numbers that all tensors share. */
  readonly numbers?: readonly string[];
  /** What each tensor brings: blocks of its size, and numbers. */
  readonly blocks: readonly string[];
  readonly eachNumbers?: readonly string[];
  readonly body: (task: MultiTensorTask) => void;
}

/** One tensor of many: its elements, where its blocks begin, its numbers. */
export interface MultiTensorItem {
  readonly size: number;
  readonly pointers: readonly number[];
  readonly numbers?: readonly number[];
}

interface Segment {
  readonly item: MultiTensorItem;
  readonly start: number;
  readonly size: number;
}

/** Cuts items into tasks of similar size; the cuts follow from the sizes alone. */
export function multiTensorTasks(items: readonly MultiTensorItem[]): Segment[][] {
  const total = items.reduce((sum, { size }) => sum + size, 0);
  const perTask = Math.max(elementsPerTask, 4 * Math.ceil(total / (2 * maxSegments)));
  const tasks: Segment[][] = [];
  let room = 0;
  for (const item of items) {
    for (let start = 0; start < item.size;) {
      if (room <= 0 || tasks.at(-1)!.length === segmentsPerTask) {
        tasks.push([]);
        room = perTask;
      }
      const size = Math.min(item.size - start, perTask);
      tasks.at(-1)!.push({ item, start, size });
      room -= size;
      start += size;
    }
  }
  return tasks;
}

/**
 * Runs a kernel over all elements of all items, in as many commands as needed; a task's number counts on over
 * commands, so that partial results can be stored by it.
 */
export function runMultiTensor(
  run: CpuKernelRun,
  kernel: MultiTensorKernel,
  shared: { readonly pointers: readonly number[]; readonly numbers?: readonly number[] },
  tasks: readonly (readonly Segment[])[],
): void {
  let first = 0;
  while (first < tasks.length) {
    let end = first;
    let segments = 0;
    do segments += tasks[end++]!.length;
    while (end < tasks.length && segments + tasks[end]!.length <= maxSegments);
    const group = tasks.slice(first, end);
    const starts = [0];
    for (const task of group) starts.push(starts.at(-1)! + task.length);
    run.execute({
      key: `multi-tensor ${kernel.name}`,
      build: () => multiTensorModule(kernel),
      words: [
        ...[first, group.length],
        ...shared.pointers,
        ...(shared.numbers ?? []).map(floatWord),
        ...starts,
        ...group.flat().flatMap(segmentWords),
      ],
      taskCount: group.length,
    });
    first = end;
  }
}

const segmentWords = ({ item, start, size }: Segment): number[] => [
  4 * size,
  ...item.pointers.map((pointer) => pointer + 4 * start),
  ...(item.numbers ?? []).map(floatWord),
];

function multiTensorModule(kernel: MultiTensorKernel): ModuleBuilder {
  const { shared, numbers = [], blocks, eachNumbers = [], body } = kernel;
  const startsAt = 2 + shared.length + numbers.length;
  const segmentBytes = 4 * (1 + blocks.length + eachNumbers.length);
  return kernelModule((f, args, task) => {
    const pointers = shared.map((_, i) => f.let(f.i32(args, 4 * (2 + i))));
    const splats = numbers.map((_, i) => f.let(f.splat(args, 4 * (2 + shared.length + i))));
    const taskCount = f.i32(args, 4);
    const segments = f.let(args.add(4 * (startsAt + 1)).add(taskCount.shl(2)));
    const startOf = (at: I32): I32 =>
      segments.add(f.i32(args.add(at.shl(2)), 4 * startsAt).mul(segmentBytes));
    body({
      f,
      task: f.let(task.add(f.i32(args))),
      shared: (name) => pointers[shared.indexOf(name)]!,
      number: (name) => splats[numbers.indexOf(name)]!,
      each(visit) {
        const segment = f.let(startOf(task));
        const end = f.let(startOf(f.let(task.add(1))));
        f.while(segment.lt(end), () => {
          const bytes = f.let(f.i32(segment));
          const starts = blocks.map((_, i) => f.let(f.i32(segment, 4 * (1 + i))));
          const own = eachNumbers.map((_, i) =>
            f.let(f.splat(segment, 4 * (1 + blocks.length + i))),
          );
          const startOfBlock = (name: string): I32 => starts[blocks.indexOf(name)]!;
          eachQuad(f, bytes, (quad: Quad) =>
            visit({
              load: (block) => quad.load(startOfBlock(block)),
              store: (block, value) => quad.store(startOfBlock(block), value),
              keep: (value) => quad.keep(value, 0),
              number: (name) => own[eachNumbers.indexOf(name)]!,
            }),
          );
          f.set(segment, segment.add(segmentBytes));
        });
      },
    });
  });
}

/** The items of tensors that are of one size at each index. */
export function itemsOf(
  ...columns: readonly (readonly Tensor[])[]
): { size: number; pointers: number[] }[] {
  return columns[0]!.map(({ size }, i) => {
    return { size, pointers: columns.map((column) => pointerOf(column[i]!)) };
  });
}
