/**
 * What jax-js and TensorFlow.js expect of a browser and Node lacks. Import before either of them.
 * README.md says why for each.
 */
import { resolveObjectURL } from 'node:buffer';
import { availableParallelism } from 'node:os';
import { Worker as NodeWorker } from 'node:worker_threads';

const inWorker = `
  const { parentPort } = require('node:worker_threads');
  globalThis.self = globalThis;
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  parentPort.on('message', (data) => self.onmessage({ data }));
`;

/** A web worker whose program is a Blob's URL, on worker_threads. */
class BlobWorker {
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  readonly #worker: Promise<NodeWorker>;

  constructor(url: string) {
    const blob = resolveObjectURL(String(url));
    if (!blob) throw new Error(`BlobWorker: ${url} is not the URL of a Blob`);
    this.#worker = blob.text().then((source) => {
      const worker = new NodeWorker(inWorker + source, { eval: true, execArgv: [] });
      worker.on('message', (data) => this.onmessage?.({ data }));
      worker.on('error', (error) => this.onerror?.(error as Error));
      return worker;
    });
    // Messages wait for the program, later ones must not.
    void this.#worker.then((worker) => {
      this.postMessage = (message) => worker.postMessage(message);
    });
  }

  postMessage(message: unknown): void {
    void this.#worker.then((worker) => worker.postMessage(message));
  }

  terminate(): void {
    void this.#worker.then((worker) => worker.terminate());
  }
}

/** The helpers of iterators that jax-js uses, which Node has from version 22 on. */
function addIteratorHelpers(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  type Step = (value: unknown, i: number) => unknown;
  const helpers = {
    *map(this: Iterable<unknown>, f: Step) {
      let i = 0;
      for (const value of this) yield f(value, i++);
    },
    *filter(this: Iterable<unknown>, f: Step) {
      let i = 0;
      for (const value of this) if (f(value, i++)) yield value;
    },
    toArray(this: Iterable<unknown>) {
      return [...this];
    },
  };
  for (const [name, helper] of Object.entries(helpers)) prototype[name] ??= helper;
}

/** @param threads what `navigator.hardwareConcurrency` says */
export function installShims({ threads = availableParallelism(), gpu }: ShimOptions): void {
  const navigator = { hardwareConcurrency: threads, userAgent: 'Node.js', gpu };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  Object.assign(globalThis, { Worker: BlobWorker });
  addIteratorHelpers();
}

export interface ShimOptions {
  readonly threads?: number;
  readonly gpu?: Pick<GPU, 'requestAdapter'>;
}
