import type { Graph } from './device.ts';

/** A pool that can keep apart what a capture uses; `restore` gives the memory that the capture's commands work in. */
interface IsolatingPool<Memory> {
  isolate(): { restore(): Memory[] };
  release(memory: Memory): void;
}

/** Runs a capture's body with memory of its own, which it gives back if the body throws. @returns what gives it back later */
export function captureMemory<Memory>(pool: IsolatingPool<Memory>, body: () => void): () => void {
  const isolated = pool.isolate();
  let owned: Memory[] = [];
  const release = (): void => {
    for (const memory of owned) pool.release(memory);
    owned = [];
  };
  let isComplete = false;
  try {
    body();
    isComplete = true;
  } finally {
    owned = isolated.restore();
    if (!isComplete) release();
  }
  return release;
}

/** A graph whose `replay` throws where it would do nothing, or get lost; see `Graph`. */
export function guardedGraph(graph: Graph & { readonly isCapturing: () => boolean }): Graph {
  let isDisposed = false;
  return {
    commandCount: graph.commandCount,
    replay() {
      if (isDisposed) throw new Error('replay: the graph is disposed');
      if (graph.isCapturing()) {
        throw new Error('replay: not inside a capture, which would not record it');
      }
      graph.replay();
    },
    dispose() {
      isDisposed = true;
      graph.dispose();
    },
  };
}

/** Of a host write inside of a body that is captured or precompiled. */
export function hostWriteError(purpose: 'capture' | 'precompile'): Error {
  return new Error(
    `${purpose}: the body writes a tensor from the host, which a replay would not repeat; write it before`,
  );
}
