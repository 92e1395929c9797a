import { createRequire } from 'node:module';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { BackendWasm, setThreadsCount } from '@tensorflow/tfjs-backend-wasm';

const require = createRequire(import.meta.url);

type Factory = (config: object) => Promise<EmscriptenModule>;
interface EmscriptenModule {
  cwrap(name: string, result: string | null, parameters: string[]): unknown;
  tfjs?: object;
}

/**
 * Registers the threaded build of TensorFlow.js' WASM backend, which its own start-up refuses in
 * Node because its worker's program is a Blob there. Emscripten's loader itself can do Node:
 * this gives it the program as a file, and fills in what the backend's `init` would.
 * @returns the number of threads
 */
export async function threadedWasmBackend(threads: number): Promise<number> {
  const main = require.resolve('@tensorflow/tfjs-backend-wasm');
  const folder = join(dirname(main), '..', 'wasm-out');
  const name = 'tfjs-backend-wasm-threaded-simd';
  const factory = require(join(folder, `${name}.js`)) as Factory;
  const { wasmWorkerContents } = require(join(folder, `${name}.worker.js`)) as {
    wasmWorkerContents: string;
  };
  const workerFile = join(mkdtempSync(join(tmpdir(), 'tfjs-')), 'worker.js');
  // The package keeps it in a template literal, where its own \n have become line ends.
  writeFileSync(workerFile, wasmWorkerContents.replaceAll('\n', '\\n'));
  const browserWorker = globalThis.Worker;
  const module = await factory({
    locateFile: (path: string) => (path.endsWith('.worker.js') ? workerFile : join(folder, path)),
    mainScriptUrlOrBlob: join(folder, `${name}.js`),
  });
  // Emscripten has put Node's own class there.
  globalThis.Worker = browserWorker;
  const wrap = (name: string, parameters: string[], result: string | null = null) =>
    module.cwrap(name, result, parameters);
  module.tfjs = {
    init: wrap('init', []),
    initWithThreadsCount: wrap('init_with_threads_count', ['number']),
    getThreadsCount: wrap('get_threads_count', [], 'number'),
    registerTensor: wrap('register_tensor', ['number', 'number', 'number']),
    disposeData: wrap('dispose_data', ['number']),
    dispose: wrap('dispose', []),
  };
  setThreadsCount(threads);
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', () => new BackendWasm(module as never));
  return threads;
}
