import { apply1 } from '../apply.ts';
import { fillRandom as fillOnCpu, sampleRows as sampleOnCpu } from '../cpu/random.ts';
import type { Op, TensorSpec } from '../op.ts';
import { gumbelOf, normalsOf, uniformsOf } from '../random/distributions.ts';
import { philoxWords } from '../random/philox.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { checkShape, formatShape, sameShape, ShapeError, sizeOf, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { fillRandom, sampleRows } from '../webgpu/random.ts';

/** Which of a step's random tensors this is; with the state it names every number in it. */
interface RandomParams {
  readonly shape: Shape;
  readonly call: number;
}

/** low + (high − low)·u with u in [0, 1). */
export const randomUniformOp: Op<RandomParams & { low: number; high: number }> = {
  name: 'randomUniform',
  infer: ([state], { shape }) => inferRandom('randomUniform', state!, shape),
  reference([state], { shape, call, low, high }) {
    const uniforms = uniformsOf(wordsOf(state!, call, sizeOf(shape)));
    return [
      ndarray(
        shape,
        uniforms.map((value) => low + (high - low) * value),
      ),
    ];
  },
  kernels: {
    webgpu(run, { inputs: [state], outputs: [y], params: { call, low, high } }) {
      fillRandom(run, 'uniform', state!, y!, { call, offset: low, scale: high - low });
    },
    cpu(run, { inputs: [state], outputs: [y], params: { call, low, high } }) {
      const numbers = { call, offset: low, scale: high - low };
      fillOnCpu(run, 'uniform', state!, [y!, y!.size], numbers);
    },
  },
  sample(random) {
    // From [0, 1) nothing is rounded: device and reference agree bit for bit.
    const standard = random.uniform() < 0.5;
    return {
      inputs: [sampleState(random)],
      params: { ...sampleParams(random), low: standard ? 0 : -1.5, high: standard ? 1 : 2.25 },
      tolerance: standard ? { absolute: 0, relative: 0 } : { absolute: 3e-7, relative: 0 },
    };
  },
};

/** mean + std·n with n standard normal (Box-Muller). */
export const randomNormalOp: Op<RandomParams & { mean: number; std: number }> = {
  name: 'randomNormal',
  infer: ([state], { shape }) => inferRandom('randomNormal', state!, shape),
  reference([state], { shape, call, mean, std }) {
    const count = sizeOf(shape);
    const normals = normalsOf(wordsOf(state!, call, Math.ceil(count / 2) * 2));
    return [
      ndarray(
        shape,
        normals.subarray(0, count).map((value) => mean + std * value),
      ),
    ];
  },
  kernels: {
    webgpu(run, { inputs: [state], outputs: [y], params: { call, mean, std } }) {
      fillRandom(run, 'normal', state!, y!, { call, offset: mean, scale: std });
    },
    cpu(run, { inputs: [state], outputs: [y], params: { call, mean, std } }) {
      fillOnCpu(run, 'normal', state!, [y!, y!.size], { call, offset: mean, scale: std });
    },
  },
  sample(random) {
    const standard = random.uniform() < 0.5;
    return {
      inputs: [sampleState(random)],
      params: { ...sampleParams(random), mean: standard ? 0 : 0.75, std: standard ? 1 : 2 },
      tolerance: { absolute: 1e-6, relative: 1e-6 },
    };
  },
};

/** One draw from softmax(logits) for each row: argmax of logits + Gumbel noise. */
export const randomCategoricalOp: Op<{ call: number }> = {
  name: 'randomCategorical',
  infer([state, logits]) {
    const { shape, dtype } = logits!;
    if (dtype !== 'f32' || shape.length === 0 || shape.at(-1) === 0) {
      throw new ShapeError(
        `randomCategorical: logits are ${dtype} ${formatShape(shape)}; expected f32 [..., classes]`,
      );
    }
    const [spec] = inferRandom('randomCategorical', state!, shape.slice(0, -1));
    return [{ ...spec!, dtype: 'i32' }];
  },
  reference([state, logits], { call }) {
    const classes = logits!.shape.at(-1)!;
    const scores = gumbelScores(state!, logits!, call);
    const rows = Array.from({ length: logits!.data.length / classes }, (_, row) => {
      const own = scores.subarray(row * classes, (row + 1) * classes);
      return Math.max(0, own.indexOf(Math.max(...own)));
    });
    return [ndarray(logits!.shape.slice(0, -1), rows, 'i32')];
  },
  kernels: {
    webgpu(run, { inputs: [state, logits], outputs: [to], params: { call } }) {
      sampleRows(run, { state: state!, logits: logits!, to: to!, call });
    },
    cpu(run, { inputs: [state, logits], outputs: [to], params: { call } }) {
      sampleOnCpu(run, { state: state!, logits: logits!, to: to!, call });
    },
  },
  sample(random) {
    const call = random.integer(0, 1000);
    const shape = [...random.shape(random.integer(0, 2), 17), random.length(257)];
    // A near tie may fall either way in float32: draw again until there is none.
    for (;;) {
      const inputs = [sampleState(random), random.normals(shape, 3)] as const;
      if (random.uniform() < 0.3) inputs[1].data[0] = -Infinity;
      const scores = gumbelScores(...inputs, call);
      if (smallestLead(scores, shape.at(-1)!) > 1e-4) return { inputs, params: { call } };
    }
  },
};

function inferRandom(op: string, state: TensorSpec, shape: Shape): TensorSpec[] {
  checkShape(op, shape);
  if (state.dtype !== 'u32' || !sameShape(state.shape, [4])) {
    throw new ShapeError(
      `${op}: the state is ${state.dtype} ${formatShape(state.shape)}, not u32 [4]`,
    );
  }
  return [{ shape, dtype: 'f32' }];
}

function wordsOf({ data }: NdArray, call: number, count: number): Uint32Array {
  return philoxWords({ key: [data[0]!, data[1]!], step: [data[2]!, data[3]!], call }, count);
}

function gumbelScores(state: NdArray, logits: NdArray, call: number): Float64Array {
  const words = wordsOf(state, call, logits.data.length);
  return logits.data.map((logit, e) => logit + gumbelOf(words[e]!));
}

/** The smallest distance between a row's best and second best score. */
function smallestLead(scores: Float64Array, classes: number): number {
  let smallest = Infinity;
  for (let start = 0; start < scores.length; start += classes) {
    const best = scores
      .slice(start, start + classes)
      .sort()
      .reverse();
    const [first = 0, second = -Infinity] = best;
    smallest = Math.min(smallest, first - second);
  }
  return smallest;
}

const sampleState = (random: SampleRandom) => random.integers([4], 0, 2 ** 32 - 1, 'u32');

function sampleParams(random: SampleRandom): RandomParams {
  const rank = random.integer(0, 4);
  const shape = random.shape(rank, [1, 257, 129, 17, 8][rank]);
  return { shape, call: random.integer(0, 1000) };
}

/** Uniforms in [low, high) (the upper end only by rounding). @param state u32 [4]: key low, high, step low, high */
export function randomUniform(
  state: Tensor,
  params: { shape: Shape; call: number; low?: number; high?: number },
): Tensor {
  return apply1(randomUniformOp, [state], { low: 0, high: 1, ...params });
}

/** Normals. @param state u32 [4]: key low, high, step low, high */
export function randomNormal(
  state: Tensor,
  params: { shape: Shape; call: number; mean?: number; std?: number },
): Tensor {
  return apply1(randomNormalOp, [state], { mean: 0, std: 1, ...params });
}

/**
 * One draw from softmax(logits) over the last axis; −∞ is never drawn unless all are.
 * @param state u32 [4]: key low, high, step low, high
 * @param logits f32 [..., classes]
 * @returns i32 [...]
 */
export function randomCategorical(state: Tensor, logits: Tensor, params: { call: number }): Tensor {
  return apply1(randomCategoricalOp, [state, logits], { call: params.call });
}
