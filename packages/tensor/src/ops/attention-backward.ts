import { apply } from '../apply.ts';
import { runAttentionBackward as runOnCpu } from '../cpu/attention/backward.ts';
import type { Op } from '../op.ts';
import { ndarrayOf, type NdArray } from '../reference.ts';
import type { Tensor } from '../tensor.ts';
import { runAttentionBackward } from '../webgpu/attention/backward.ts';
import {
  attentionReference,
  productFlops,
  sampleAttention,
  scoresOf,
  type AttentionParams,
} from './attention.ts';

/**
 * Gradients of q, k, v from inputs q, k, v, output, logSums, dOutput, dLogSums and perhaps a position:
 * with probabilities P and δ_i = dO_i · O_i − dLogSum_i, dV = Pᵀ·dO, dS = P ∘ (dO·Vᵀ − δ), dQ = dS·K / √size,
 * dK = dSᵀ·Q / √size (Dao et al. 2022, section 3 and appendix B).
 */
export const attentionBackwardOp: Op<AttentionParams> = {
  name: 'attentionBackward',
  infer: (inputs) => inputs.slice(0, 3).map(({ shape }) => ({ shape, dtype: 'f32' })),
  reference: backwardReference,
  // q·kᵀ again, dO·Vᵀ, Pᵀ·dO, dS·K and dSᵀ·Q
  flops: ({ inputs, params }) => 5 * productFlops(inputs, params.causal && inputs.length === 7),
  kernels: { webgpu: runAttentionBackward, cpu: runOnCpu },
  sample(random) {
    const { inputs, params, tolerance } = sampleAttention(random);
    const saved = attentionReference(inputs, params).map((array) => ({
      ...array,
      data: array.data.map(Math.fround),
    }));
    const upstream = saved.map(({ shape }) => random.normals(shape));
    return {
      inputs: [...inputs.slice(0, 3), ...saved, ...upstream, ...inputs.slice(3)],
      params,
      tolerance: { absolute: 20 * tolerance!.absolute!, relative: 20 * tolerance!.relative! },
    };
  },
};

function backwardReference(inputs: readonly NdArray[], params: AttentionParams): NdArray[] {
  const [q, k, v, , , dOutput, dLogSums, ...position] = inputs;
  const operands = [q!, k!, v!, ...position];
  const gradients = [q!, k!, v!].map(({ shape }) => ndarrayOf(shape, () => 0));
  const [dQ, dK, dV] = gradients.map(({ data }) => data);
  const [batch, queries, width] = q!.shape as [number, number, number];
  const keys = k!.shape[1]!;
  const size = width / params.heads;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < params.heads; h++) {
      for (let i = 0; i < queries; i++) {
        const scores = scoresOf(operands, params, [b, h, i]);
        const top = Math.max(...scores);
        const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
        const p = scores.map((s) => Math.exp(s - top) / total);
        const columns = Array.from({ length: size }, (_, c) => h * size + c);
        const row = (b * queries + i) * width;
        const keyRow = (j: number) => (b * keys + j) * width;
        const dP = p.map((_, j) =>
          columns.reduce((sum, c) => sum + dOutput!.data[row + c]! * v!.data[keyRow(j) + c]!, 0),
        );
        // dO·O = Σ_j P_j dP_j
        const mean = p.reduce((sum, pj, j) => sum + pj * dP[j]!, 0);
        const dLogSum = dLogSums!.data[(b * params.heads + h) * queries + i]!;
        p.forEach((pj, j) => {
          const dS = (pj * (dP[j]! - mean + dLogSum)) / Math.sqrt(size);
          for (const c of columns) {
            dV![keyRow(j) + c]! += pj * dOutput!.data[row + c]!;
            dQ![row + c]! += dS * k!.data[keyRow(j) + c]!;
            dK![keyRow(j) + c]! += dS * q!.data[row + c]!;
          }
        });
      }
    }
  }
  return gradients;
}

/** Gradients of q, k and v. */
export function attentionBackward(
  { q, k, v, position }: { q: Tensor; k: Tensor; v: Tensor; position?: Tensor },
  { output, logSums }: { output: Tensor; logSums: Tensor },
  { dOutput, dLogSums }: { dOutput: Tensor; dLogSums: Tensor },
  params: AttentionParams,
): Tensor[] {
  const inputs = [q, k, v, output, logSums, dOutput, dLogSums, ...(position ? [position] : [])];
  return apply(attentionBackwardOp, inputs, params);
}
