/**
 * Times the same work in this repository's tensors, jax-js and TensorFlow.js, in one process.
 *
 *     npm run wasm -- [--threads 2] [--only part of a name] [--seconds 4]
 *     npm run webgpu -- [--adapter lavapipe] [--patient] [--only …] [--seconds 4]
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openAdapter, openDevice, patientWait } from '@farmer/tensor/node';
import type { Library, Task } from './library.ts';
import { measure, type Measurement } from './measure.ts';
import { memoryCopy } from './memory-copy.ts';
import { ours } from './ours.ts';
import { currentLoad, describeRun, formatProgress, writeReport } from './report.ts';
import { installShims } from './shims.ts';
import { workloads, type RunKind, type Work } from './workloads.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
    adapter: { type: 'string', default: 'auto' },
    patient: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '4' },
  },
});

interface Setup {
  readonly kind: RunKind;
  readonly adapter?: string;
  readonly libraries: readonly Library[];
}

async function setUpWasm(): Promise<Setup> {
  const threads = Number(options.threads);
  installShims({ threads });
  const device = await openDevice({ device: 'cpu', threads });
  const { jaxJs } = await import('./jax-js.ts');
  const { tensorflow } = await import('./tensorflow.ts');
  const { threadedWasmBackend } = await import('./tensorflow-threads.ts');
  const tensorflowThreads = await threadedWasmBackend(threads);
  const libraries = [
    ours(device),
    await jaxJs('wasm', `WASM backend, ${threads} workers`),
    await tensorflow('wasm', `WASM backend with SIMD, ${tensorflowThreads} threads`),
    memoryCopy,
  ];
  return { kind: 'wasm', libraries };
}

async function setUpWebGpu(): Promise<Setup> {
  const choice = options.adapter;
  const { name, kind } = await openAdapter({ choice });
  // An adapter gives one device, so each library asks anew.
  const requestAdapter = async () => (await openAdapter({ choice })).adapter;
  installShims({ gpu: { requestAdapter } });
  const device = await openDevice({ device: 'webgpu', adapter: choice });
  const { jaxJs } = await import('./jax-js.ts');
  const { tensorflow } = await import('./tensorflow.ts');
  await import('@tensorflow/tfjs-backend-webgpu');
  const peers = [
    await jaxJs('webgpu', 'WebGPU backend'),
    await tensorflow('webgpu', 'WebGPU backend'),
  ];
  const libraries = [ours(device), ...(options.patient ? peers.map(patient) : peers)];
  return { kind: kind === 'other' ? 'hardware' : kind, adapter: name, libraries };
}

/** Lends a library our way to wait for the device, so that kernels alone are compared. */
function patient(library: Library): Library {
  const prepare = (work: Work): Task | undefined => {
    const task = library.prepare(work);
    return task && { ...task, run: () => patientWait(task.run()) };
  };
  return { ...library, setting: `${library.setting}, waits as ours does`, prepare };
}

const setup = positionals[0] === 'webgpu' ? await setUpWebGpu() : await setUpWasm();
const { kind, adapter, libraries } = setup;
const before = currentLoad();
const facts = describeRun(kind, libraries, adapter);
console.log(JSON.stringify(facts));
const chosen = workloads.filter(({ name }) => name.includes(options.only));
if (chosen.length === 0) throw new Error(`--only "${options.only}" is part of no workload's name`);
const folder = fileURLToPath(new URL('../results', import.meta.url));
const oneThread = kind === 'wasm' && options.threads === '1';
const file = `peers-${kind}${oneThread ? '-1-thread' : ''}${options.patient ? '-patient' : ''}`;
const measurements: Measurement[] = [];
for (const workload of chosen) {
  const measurement = await measure(workload, libraries, Number(options.seconds));
  measurements.push(measurement);
  console.log(formatProgress(measurement));
  // After each, so that a run that is stopped leaves what it measured.
  if (options.only === '') {
    writeReport(folder, file, { ...facts, load: [before, currentLoad()], measurements });
  }
}
// Some of the peers' workers know no end.
process.exit(0);
