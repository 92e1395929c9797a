import { floatWord } from './command-list.ts';
import { pointerOf, type CpuKernel } from './kernel.ts';
import {
  itemsOf,
  multiTensorTasks,
  runMultiTensor,
  type MultiTensorKernel,
} from './multi-tensor.ts';
import { sumOfLanes } from './lanes.ts';
import { foldQuads } from './quads.ts';
import { F32, F32x4, I32, kernelModule, readWords } from './wasm/index.ts';

const squares: MultiTensorKernel = {
  name: 'sum of squares',
  shared: ['partials'],
  blocks: ['values'],
  body: ({ f, task, shared, each }) => {
    const sum = f.let(F32x4.of(0));
    each((at) => {
      const values = f.let(at.keep(at.load('values')));
      f.set(sum, sum.add(values.mul(values)));
    });
    f.store(shared('partials').add(task.shl(2)), sumOfLanes(f, sum).lane(0));
  },
};

/** Inputs any tensors; output √ of the sum of all squares, []. */
export const globalNormKernel: CpuKernel<object> = (run, { inputs, outputs: [norm] }) => {
  const tasks = multiTensorTasks(itemsOf(inputs));
  const partials = run.temporary(4 * Math.max(1, tasks.length));
  runMultiTensor(run, squares, { pointers: [pointerOf(partials)] }, tasks);
  run.execute({
    key: 'root of sum',
    build: rootModule,
    words: [pointerOf(partials), tasks.length, pointerOf(norm!)],
    taskCount: 1,
  });
};

function rootModule() {
  return kernelModule((f, args) => {
    const { partials, count, norm } = readWords(f, args, ['partials', 'count', 'norm']);
    const sum = foldQuads(f, 'sum', f.let(count.shl(2)), (quad) => quad.load(partials));
    f.store(norm, sum.lane(0).sqrt());
  });
}

/** Input a norm, []; output [2]: the factor that clips it, and whether it is finite. */
export const clipScaleKernel: CpuKernel<{ maxNorm: number }> = (
  run,
  { inputs: [norm], outputs: [clip], params },
) => {
  run.execute({
    key: 'clip scale',
    build: clipModule,
    words: [pointerOf(norm!), pointerOf(clip!), floatWord(params.maxNorm)],
    taskCount: 1,
  });
};

function clipModule() {
  return kernelModule((f, args) => {
    const { norm, clip } = readWords(f, args, ['norm', 'clip']);
    const [value, largest] = [f.let(f.f32(norm)), f.let(f.f32(args, 8))];
    const isFinite = f.let(f.i32(norm).and(0x7f800000).ne(0x7f800000));
    const factor = value.gt(largest).select(F32, largest.div(value), F32.of(1));
    f.store(clip, isFinite.select(F32, factor, F32.of(0)));
    f.store(clip, isFinite.select(I32, I32.of(0x3f800000), I32.of(0)), 4);
  });
}
