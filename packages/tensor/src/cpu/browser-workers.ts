import type { PoolOptions, SpawnWorker } from './pool.ts';

/** Starts a page's worker from text alone: no file has to be served. */
const spawnBrowserWorker: SpawnWorker = (source, data, onDeath) => {
  const program = `${source}\nonmessage = ({ data }) => start(data);`;
  const url = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const worker = new Worker(url);
  let isStopping = false;
  worker.onerror = ({ message }) => {
    // Without a message, the page's policy refused the worker's program.
    if (!isStopping) onDeath(message || "the page's content policy may forbid blob: workers");
  };
  worker.postMessage(data);
  return {
    terminate: () => {
      isStopping = true;
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};

/**
 * Options of a `CpuDevice` in a page: all processors where the page is cross-origin isolated (served with
 * Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp), otherwise one
 * thread, since only isolated pages may share memory.
 */
export function browserPoolOptions(): PoolOptions {
  if (!globalThis.crossOriginIsolated) return { threads: 1 };
  return { threads: navigator.hardwareConcurrency, spawn: spawnBrowserWorker };
}
