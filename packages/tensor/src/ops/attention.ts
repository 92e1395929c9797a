import { apply } from '../apply.ts';
import { runAttention as runOnCpu } from '../cpu/attention/forward.ts';
import type { Op, Sample, TensorSpec } from '../op.ts';
import { referenceLogSumExp } from '../reference-rows.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, sameShape, ShapeError, sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { runAttention } from '../webgpu/attention/forward.ts';
import { attentionBackward } from './attention-backward.ts';
import { checkFloats } from './check-floats.ts';
import { map } from './map.ts';

export interface AttentionParams {
  readonly heads: number;
  /** Query i attends keys 0 … position + i only. */
  readonly causal: boolean;
}

/**
 * Multi-head scaled dot-product attention on q, k, v and perhaps a position; outputs [B, Tq, W] and the
 * log Σ exp of the scores [B, heads, Tq]. No Tq × Tk matrix is ever stored.
 */
export const attentionOp: Op<AttentionParams> = {
  name: 'attention',
  infer: inferAttention,
  reference: attentionReference,
  kernels: { webgpu: runAttention, cpu: runOnCpu },
  differentiable: [0, 1, 2],
  // q·kᵀ and P·v
  flops: ({ inputs, params }) => 2 * productFlops(inputs, params.causal && inputs.length === 3),
  vjp({ inputs, outputs, params, gradients }) {
    const [output, logSums] = outputs as [Tensor, Tensor];
    const [dOutput, dLogSums] = gradients;
    if (!dOutput && !dLogSums) return inputs.map(() => null);
    const operands = { q: inputs[0]!, k: inputs[1]!, v: inputs[2]!, position: inputs[3] };
    const zero = (like: Tensor) => map('0', { like });
    const saved = { output, logSums };
    const upstream = {
      dOutput: dOutput ?? zero(output),
      dLogSums: dLogSums ?? zero(logSums),
    };
    const own = attentionBackward(operands, saved, upstream, params);
    return [...own, ...inputs.slice(3).map(() => null)];
  },
  sample: sampleAttention,
};

function inferAttention(
  inputs: readonly TensorSpec[],
  { heads, causal }: AttentionParams,
): TensorSpec[] {
  const [q, k, v, position] = inputs as [TensorSpec, TensorSpec, TensorSpec, TensorSpec?];
  const shapes = [q, k, v].map(({ shape }) => formatShape(shape)).join(', ');
  const [batch, queries, width] = q.shape as [number, number, number];
  const fits = q.shape.length === 3 && k.shape.length === 3 && sameShape(k.shape, v.shape);
  if (!fits || k.shape[0] !== batch || k.shape[2] !== width || k.shape[1]! < 1 || width < 1) {
    throw new ShapeError(
      `attention: q, k, v are ${shapes}; expected [batch, queries, width] and twice [batch, keys, width], keys and width ≥ 1`,
    );
  }
  checkFloats('attention', [q, k, v]);
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new ShapeError(`attention: ${heads} heads do not divide a width of ${width}`);
  }
  if (position && !causal) throw new ShapeError('attention: a position needs causal: true');
  if (position && (position.dtype !== 'u32' || !sameShape(position.shape, [1]))) {
    throw new ShapeError(
      `attention: position is ${position.dtype} ${formatShape(position.shape)}, expected u32 [1]`,
    );
  }
  return [
    { shape: q.shape, dtype: 'f32' },
    { shape: [batch, heads, queries], dtype: 'f32' },
  ];
}

/**
 * Operations of one product over all pairs of a query and a key that it attends. A position is known on the device
 * alone, so that with one every key counts.
 */
export function productFlops([q, k]: readonly TensorSpec[], triangular: boolean): number {
  const [batch, queries, width] = q!.shape as [number, number, number];
  const keys = k!.shape[1]!;
  const rows = Math.min(queries, keys);
  const pairs = triangular ? (rows * (rows + 1)) / 2 + (queries - rows) * keys : queries * keys;
  return 2 * batch * width * pairs;
}

/** The keys that query i attends, from 0: their number. */
function visibleKeys(inputs: readonly NdArray[], causal: boolean, i: number): number {
  const keys = inputs[1]!.shape[1]!;
  return causal ? Math.min(keys, (inputs[3]?.data[0] ?? 0) + i + 1) : keys;
}

/** Scores of query i over the keys that it attends. */
export function scoresOf(
  inputs: readonly NdArray[],
  { heads, causal }: AttentionParams,
  [b, h, i]: readonly [number, number, number],
): Float64Array {
  const [q, k] = inputs as [NdArray, NdArray];
  const [, queries, width] = q.shape as [number, number, number];
  const [size, keys] = [width / heads, k.shape[1]!];
  return Float64Array.from({ length: visibleKeys(inputs, causal, i) }, (_, j) => {
    let score = 0;
    for (let c = h * size; c < (h + 1) * size; c++) {
      score += q.data[(b * queries + i) * width + c]! * k.data[(b * keys + j) * width + c]!;
    }
    return score / Math.sqrt(size);
  });
}

export function attentionReference(inputs: readonly NdArray[], params: AttentionParams): NdArray[] {
  const [output, logSums] = inferAttention(inputs, params).map(({ shape }) =>
    ndarray(shape, new Float64Array(sizeOf(shape))),
  ) as [NdArray, NdArray];
  const [batch, queries, width] = output.shape as [number, number, number];
  const [, keys] = inputs[1]!.shape as [number, number];
  const v = inputs[2]!.data;
  const size = width / params.heads;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < params.heads; h++) {
      for (let i = 0; i < queries; i++) {
        const scores = scoresOf(inputs, params, [b, h, i]);
        const logSum = referenceLogSumExp(scores);
        logSums.data[(b * params.heads + h) * queries + i] = logSum;
        scores.forEach((score, j) => {
          const p = Math.exp(score - logSum);
          for (let c = h * size; c < (h + 1) * size; c++) {
            output.data[(b * queries + i) * width + c]! += p * v[(b * keys + j) * width + c]!;
          }
        });
      }
    }
  }
  return [output, logSums];
}

export interface AttentionOptions {
  heads: number;
  /** Query i attends keys 0 … position + i only; otherwise all keys. */
  causal: boolean;
  /** u32 [1], with `causal`: the key index of the first query, 0 if absent. For decoding with a cache. */
  position?: Tensor;
}

/**
 * softmax(q·kᵀ / √(W / heads)) · v for each head, a slice of W / heads columns.
 * @param q [B, Tq, W]
 * @param k [B, Tk, W]
 * @param v [B, Tk, W]
 * @returns [B, Tq, W]
 * @throws ShapeError when shapes, heads or position do not fit
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, causal, position } = options;
  const inputs = position ? [q, k, v, position] : [q, k, v];
  return apply(attentionOp, inputs, { heads, causal })[0]!;
}

export function sampleAttention(random: SampleRandom): Sample<AttentionParams> {
  const [batch, heads] = [random.integer(1, 3), random.integer(1, 3)];
  const size = random.pick([1, 3, 4, 5, 8, 16, 17, 32]);
  const [queries, otherKeys] = [random.length(33), random.length(65)];
  const keys = random.uniform() < 0.5 ? queries : otherKeys;
  const causal = random.uniform() < 0.6;
  const hasPosition = causal && random.uniform() < 0.5;
  const draw = (length: number) => random.normals([batch, length, heads * size]);
  // Now and then scores far apart, where a sum of exponentials without its maximum taken off would overflow.
  const spread = random.uniform() < 0.2 ? 30 : 1;
  const q = draw(queries);
  return {
    inputs: [
      { ...q, data: q.data.map((x) => Math.fround(x * spread)) },
      draw(keys),
      draw(keys),
      ...(hasPosition ? [random.integers([1], 0, keys, 'u32')] : []),
    ],
    params: { heads, causal },
    tolerance: { absolute: 2e-5 * spread, relative: 1e-5 * spread },
  };
}
