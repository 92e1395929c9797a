import { bytesPerElement } from '../../dtype.ts';
import type { Storage } from '../../device.ts';
import { tensor, Tensor } from '../../tensor.ts';
import type { WebGpuDevice } from '../device.ts';
import { linearGrid, type Kernel, type KernelRun } from '../kernel.ts';
import { runTrial, sizeClass, trialIntegers, trialNoise, type TrialWork } from '../trial.ts';
import type { RowTable } from './select.ts';
import type { RowVariant } from './variant.ts';

/** One dispatch over [rows, length] that any variant of a table can do. */
export interface RowWork {
  readonly table: RowTable;
  readonly rows: number;
  /** Elements of a row, or steps of vec4s: what the table goes by. */
  readonly length: number;
  kernel(variant: RowVariant): Kernel;
  /** One a binding. Uniforms do not depend on the variant. */
  readonly buffers: readonly (Tensor | Storage)[];
  readonly uniforms: readonly number[];
}

/** Dispatches by the variant that the run forces, else by the measured one if there is one, else by the table's. */
export function runRowWork(run: KernelRun, work: RowWork): void {
  const variant = run.rowVariant ?? measured(run, work) ?? selected(run, work);
  dispatchRows(run, work, variant);
}

function dispatchRows(run: KernelRun, work: RowWork, variant: RowVariant): void {
  const workgroups = Math.ceil((work.rows * variant.lanes) / variant.workgroup);
  run.dispatch(work.kernel(variant), work.buffers, work.uniforms, linearGrid(workgroups));
}

const selected = ({ capabilities }: KernelRun, { table, length, rows }: RowWork) =>
  table.select(capabilities, length, rows);

function measured(run: KernelRun, work: RowWork): RowVariant | undefined {
  const { capabilities, tuning } = run;
  if (!tuning || work.rows * work.length === 0) return undefined;
  const variants = work.table.variants(capabilities, work.length);
  const otherwise = selected(run, work);
  const { name, bindings } = work.kernel(otherwise);
  const types = Object.values(bindings).map((type) => type.split(' ') as [string, string]);
  const isVector = types.some(([, type]) => type.startsWith('vec4'));
  const shape = `${name} ${sizeClass([work.rows, work.length])} ${isVector ? 'vec4' : 'scalar'}`;
  // The operands may be gone when the trial runs.
  const operands = work.buffers.map((buffer, i) => ({
    size: buffer instanceof Tensor ? buffer.size : buffer.byteLength / bytesPerElement,
    isOutput: types[i]![0] === 'write',
    isFloat: /^(f32|vec.f)$/.test(types[i]![1]),
  }));
  const plan = { ...work, buffers: [] };
  const chosen = tuning.tuner.find(shape, () =>
    trial(tuning.device, { name: shape, work: plan, operands, variants, otherwise }),
  );
  return variants.find((variant) => variant.name === chosen);
}

interface Operand {
  readonly size: number;
  readonly isOutput: boolean;
  readonly isFloat: boolean;
}

interface RowTrial {
  /** Of the shape class. */
  readonly name: string;
  readonly work: RowWork;
  readonly operands: readonly Operand[];
  readonly variants: readonly RowVariant[];
  readonly otherwise: RowVariant;
}

/** Every variant against the first one of the table. @returns the fastest one's name */
function trial(device: WebGpuDevice, { work, operands, variants, ...names }: RowTrial) {
  return runTrial<RowVariant>(device, {
    ...names,
    choices: variants,
    plainest: variants[0]!,
    nameOf: ({ name }) => name,
    isClose: (actual, expected) => isClose(actual, expected, work.length),
    prepare: () => {
      const own = trialWork(device, work, operands);
      return { small: own, whole: own };
    },
  });
}

function trialWork(
  device: WebGpuDevice,
  work: RowWork,
  operands: readonly Operand[],
): TrialWork<RowVariant> {
  // Integers may be labels: those below the length are some in any row.
  const buffers = operands.map(({ size, isFloat }) =>
    isFloat
      ? tensor(trialNoise(size), [size], 'f32', device)
      : tensor(trialIntegers(size, work.length), [size], 'i32', device),
  );
  return {
    inputs: buffers.filter((_, i) => !operands[i]!.isOutput),
    outputs: buffers.filter((_, i) => operands[i]!.isOutput),
    run: (variant: RowVariant) =>
      device.runKernel<undefined>(
        (run) => dispatchRows(run, { ...work, buffers }, variant),
        { inputs: [], outputs: [] },
        undefined,
      ),
  };
}

/** Sums round with their length. What is no number by one variant, such as the log of a negative, is none by another. */
function isClose(actual: ArrayLike<number>, expected: ArrayLike<number>, length: number): boolean {
  const tolerance = 1e-5 * Math.sqrt(length);
  return Array.from(expected).every((value, i) => {
    const difference = Math.abs(actual[i]! - value);
    return Object.is(actual[i], value) || difference <= tolerance * (1 + Math.abs(value));
  });
}
