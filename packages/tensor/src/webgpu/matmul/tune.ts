import type { MatmulParams } from '../../ops/matmul.ts';
import { parse } from '../../expression/parse.ts';
import { tensor, type Tensor } from '../../tensor.ts';
import type { WebGpuDevice } from '../device.ts';
import type { KernelRun, WebGpuCapabilities, WebGpuKernel } from '../kernel.ts';
import { naive } from './naive.ts';
import type { MatmulProblem } from './problem.ts';
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
  const sizes = [batches, m, n, k].map((length) => 2 ** Math.ceil(Math.log2(Math.max(1, length))));
  const aligned = n % 4 === 0 && k % 4 === 0 ? 'vec4' : 'scalar';
  return `matmul ${sizes.join('x')} a${transposeA ? 'ᵀ' : ''}b${transposeB ? 'ᵀ' : ''} ${aligned}`;
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

const timedRuns = 3;
/** A choice that is so many times slower at first is not timed again. */
const hopeless = 3;

/** Verifies every choice against the naive variant, then times it. @returns the fastest choice's name */
async function trial(device: WebGpuDevice, problem: MatmulProblem): Promise<string> {
  const choices = choicesFor(device.capabilities, problem);
  // The edges of tiles are those of the whole problem.
  const shrink = (length: number) => (length > 256 ? 128 + (length % 128) : length);
  const { m, n, k } = problem;
  const small = new TrialRun(device, {
    ...{ ...problem, m: shrink(m), n: shrink(n), k: shrink(k) },
    batches: Math.min(2, problem.batches),
  });
  const whole = new TrialRun(device, problem);
  try {
    const expected = await small.result({ variant: naive, slices: 1 });
    let [best, fastest] = [Infinity, nameOf(selectMatmul(device.capabilities, problem))];
    for (const choice of choices) {
      if (!close(await small.result(choice), expected, choice, small.problem.k)) continue;
      await whole.time(choice);
      for (let i = 0; i < timedRuns; i++) {
        const time = await whole.time(choice);
        if (time < best) [best, fastest] = [time, nameOf(choice)];
        if (time > hopeless * best) break;
      }
    }
    return fastest;
  } finally {
    small.dispose();
    whole.dispose();
  }
}

/** Factors are uniform on ±½, so that a sum of k products has a standard deviation of √k / 12. */
function close(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { variant }: MatmulChoice,
  k: number,
): boolean {
  const tolerance = (variant.reducedPrecision ? 1e-3 : 1e-5) * Math.sqrt(k);
  return Array.from(expected).every((value, i) => Math.abs(actual[i]! - value) <= tolerance);
}

/** A problem with operands of its own. */
class TrialRun {
  readonly problem: MatmulProblem;
  readonly #device: WebGpuDevice;
  readonly #operands: readonly Tensor[];
  readonly #output: Tensor;

  constructor(device: WebGpuDevice, problem: MatmulProblem) {
    const { m, n, k, batches, transposeA, transposeB } = problem;
    const isShared = (layout: MatmulProblem['a']) => layout.outer === 0 && layout.step === 0;
    const make = (rows: number, columns: number, layout: MatmulProblem['a']) =>
      noise(device, [isShared(layout) ? 1 : batches, rows, columns]);
    this.problem = problem;
    this.#device = device;
    this.#operands = [
      transposeA ? make(k, m, problem.a) : make(m, k, problem.a),
      transposeB ? make(n, k, problem.b) : make(k, n, problem.b),
    ];
    this.#output = noise(device, [batches, m, n]);
  }

  async result(choice: MatmulChoice): Promise<ArrayLike<number>> {
    this.#run(choice);
    return this.#output.data();
  }

  /** Milliseconds of one run. */
  async time(choice: MatmulChoice): Promise<number> {
    await this.#device.synchronize();
    const start = performance.now();
    this.#run(choice);
    await this.#device.synchronize();
    return performance.now() - start;
  }

  #run(choice: MatmulChoice): void {
    const { transposeA, transposeB } = this.problem;
    this.#device.runKernel<MatmulParams>(
      (run, call) => runMatmul(run, call, () => choice),
      { inputs: this.#operands, outputs: [this.#output] },
      { transposeA, transposeB, epilogue: parse('acc'), names: [], numbers: {} },
    );
  }

  dispose(): void {
    for (const each of [...this.#operands, this.#output]) each.dispose();
  }
}

function noise(device: WebGpuDevice, shape: readonly number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  // A quarter of a million values repeat: enough to tell right sums from wrong ones.
  const values = Float32Array.from(
    { length: size },
    (_, i) => ((i * 7919) % 262139) / 262139 - 0.5,
  );
  return tensor(values, shape, 'f32', device);
}
