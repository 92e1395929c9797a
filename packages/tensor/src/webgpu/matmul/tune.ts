import type { MatmulParams } from '../../ops/matmul.ts';
import { parse } from '../../expression/parse.ts';
import { sizeOf } from '../../shape.ts';
import { tensor, type Tensor } from '../../tensor.ts';
import type { WebGpuDevice } from '../device.ts';
import type { KernelRun, WebGpuCapabilities, WebGpuKernel } from '../kernel.ts';
import { runTrial, sizeClass, trialNoise, type TrialWork } from '../trial.ts';
import { naive } from './naive.ts';
import type { MatmulProblem } from '../../matmul-problem.ts';
import { runMatmul } from './run.ts';
import { matmulVariants, selectMatmul, slicesFor, type MatmulChoice } from './select.ts';

/** Runs a matmul by the measured choice where the device tunes itself and has one, else by the selection table. */
export const runTunedMatmul: WebGpuKernel<MatmulParams> = (run, call) =>
  runMatmul(run, call, (problem) => tunedChoice(run, problem));

function tunedChoice({ capabilities, tuning }: KernelRun, problem: MatmulProblem): MatmulChoice {
  const name = tuning?.tuner.find(shapeClass(problem), () => trial(tuning.device, problem));
  const choices = name === undefined ? [] : choicesFor(capabilities, problem);
  return choices.find((choice) => nameOf(choice) === name) ?? selectMatmul(capabilities, problem);
}

/** Problems of about the same size, rounded up to powers of two, that the same kernels serve. */
function shapeClass({ m, n, k, batches, transposeA, transposeB }: MatmulProblem): string {
  const aligned = n % 4 === 0 && k % 4 === 0 ? 'vec4' : 'scalar';
  return `matmul ${sizeClass([batches, m, n, k])} a${transposeA ? 'ᵀ' : ''}b${transposeB ? 'ᵀ' : ''} ${aligned}`;
}

const nameOf = ({ variant, slices }: MatmulChoice) =>
  `${variant.name}${slices > 1 ? ' split' : ''}`;

/** Each variant whole, and with k cut into slices where the table would cut it. */
function choicesFor(capabilities: WebGpuCapabilities, problem: MatmulProblem): MatmulChoice[] {
  return matmulVariants(capabilities).flatMap((variant) => {
    const slices = slicesFor(capabilities, problem, variant);
    return [...new Set([1, slices])].map((count) => ({ variant, slices: count }));
  });
}

/** Every choice against the naive variant, on a smaller problem with the same edges. @returns the fastest one's name */
function trial(device: WebGpuDevice, problem: MatmulProblem): Promise<string> {
  const shrink = (length: number) => (length > 256 ? 128 + (length % 128) : length);
  const { m, n, k } = problem;
  const small = {
    ...{ ...problem, m: shrink(m), n: shrink(n), k: shrink(k) },
    batches: Math.min(2, problem.batches),
  };
  return runTrial<MatmulChoice>(device, {
    name: shapeClass(problem),
    choices: choicesFor(device.capabilities, problem),
    plainest: { variant: naive, slices: 1 },
    otherwise: selectMatmul(device.capabilities, problem),
    nameOf,
    isClose: (actual, expected, choice) => isClose(actual, expected, choice, small.k),
    prepare: () => ({ small: workOf(device, small), whole: workOf(device, problem) }),
  });
}

/** Factors are uniform on ±½, so that a sum of k products has a standard deviation of √k / 12. */
function isClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { variant }: MatmulChoice,
  k: number,
): boolean {
  const tolerance = (variant.reducedPrecision ? 1e-3 : 1e-5) * Math.sqrt(k);
  return Array.from(expected).every((value, i) => Math.abs(actual[i]! - value) <= tolerance);
}

function workOf(device: WebGpuDevice, problem: MatmulProblem): TrialWork<MatmulChoice> {
  const { m, n, k, batches, transposeA, transposeB } = problem;
  const isShared = (layout: MatmulProblem['a']) => layout.outer === 0 && layout.step === 0;
  const make = (rows: number, columns: number, layout: MatmulProblem['a']) =>
    noise(device, [isShared(layout) ? 1 : batches, rows, columns]);
  const inputs = [
    transposeA ? make(k, m, problem.a) : make(m, k, problem.a),
    transposeB ? make(n, k, problem.b) : make(k, n, problem.b),
  ];
  const outputs = [noise(device, [batches, m, n])];
  return {
    inputs,
    outputs,
    run: (choice) =>
      device.runKernel<MatmulParams>(
        (run, call) => runMatmul(run, call, () => choice),
        { inputs, outputs },
        { transposeA, transposeB, epilogue: parse('acc'), names: [], numbers: {} },
      ),
  };
}

const noise = (device: WebGpuDevice, shape: readonly number[]): Tensor =>
  tensor(trialNoise(sizeOf(shape)), shape, 'f32', device);
