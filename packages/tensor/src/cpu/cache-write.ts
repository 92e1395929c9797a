import { pointerOf, type CpuKernel } from './kernel.ts';
import { eachQuad } from './quads.ts';
import { kernelModule, readWords } from './wasm/index.ts';

const elementsPerTask = 32768;

/** Inputs the cache, rows and their position, u32 [1]; rows past the cache's end are dropped. */
export const cacheWriteKernel: CpuKernel<object> = (run, { inputs: [cache, rows, position] }) => {
  const [batch, length, width] = cache!.shape as [number, number, number];
  const count = rows!.shape[1]!;
  const rowsPerTask = Math.max(1, Math.floor(elementsPerTask / Math.max(1, width)));
  run.execute({
    key: 'cache write',
    build: cacheWriteModule,
    words: [
      ...[cache!, rows!, position!].map(pointerOf),
      ...[batch * count, count, length, width, rowsPerTask],
    ],
    taskCount: Math.ceil((batch * count) / rowsPerTask),
  });
};

// prettier-ignore
const words = [
  'cache', 'rows', 'position', 'total', 'count', 'length', 'width', 'rowsPerTask',
] as const;

function cacheWriteModule() {
  return kernelModule((f, args, task) => {
    const w = readWords(f, args, words);
    const bytes = f.let(w.width.shl(2));
    const start = f.let(f.i32(w.position));
    f.eachOfTask(task, w.rowsPerTask, w.total, (row) => {
      const target = f.let(start.add(row.rem(w.count)));
      f.if(target.lt(w.length), () => {
        const source = f.let(w.rows.add(row.mul(bytes)));
        const sequence = row.div(w.count).mul(w.length);
        const destination = f.let(w.cache.add(sequence.add(target).mul(bytes)));
        eachQuad(f, bytes, (quad) => quad.store(destination, quad.load(source)));
      });
    });
  });
}
