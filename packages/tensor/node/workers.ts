import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { SpawnWorker } from '../src/cpu/pool.ts';

/** Starts a worker_threads worker; it does not keep the process alive. */
export const spawnNodeWorker: SpawnWorker = (source, data, onDeath) => {
  const program = `${source}\nstart(require('node:worker_threads').workerData);`;
  // No execArgv: loaders that the main thread uses are of no use to a plain script.
  const worker = new Worker(program, { eval: true, workerData: data, execArgv: [] });
  let reason: string | undefined;
  let isStopping = false;
  worker.on('error', (error) => (reason = String(error)));
  worker.on('exit', (code) => {
    if (!isStopping) onDeath(reason ?? `exit code ${code}`);
  });
  worker.unref();
  return {
    terminate: () => {
      isStopping = true;
      void worker.terminate();
    },
  };
};

/** Each thread takes its scratch from the one memory of 4 GiB. */
export const MAX_THREADS = 256;

/** Threads to compute with: one for each processor that the process may use. */
export const defaultThreads = (): number => Math.min(MAX_THREADS, availableParallelism());

/** Lets Node 20 use fused multiply-add; newer versions always do. Call before the first kernel is built. */
export function enableRelaxedSimd(): void {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}
