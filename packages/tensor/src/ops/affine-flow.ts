import { apply } from '../apply.ts';
import {
  affineFlowBackwardKernel as cpuBackward,
  affineFlowKernel as cpuForward,
} from '../cpu/affine-flow.ts';
import type { Op, TensorSpec } from '../op.ts';
import { ndarray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, sameShape, ShapeError, sizeOf, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { affineFlowBackwardKernel, affineFlowKernel } from '../webgpu/affine-flow.ts';
import { checkFloats } from './check-floats.ts';
import { map } from './map.ts';

type NoParams = Record<never, never>;

/** The flow's causal affine map with its log-determinant (FARMER, eq. 8-10). */
export const affineFlowOp: Op<NoParams> = {
  name: 'affineFlow',
  infer(inputs) {
    const shape = checkInputs(inputs);
    return [
      { shape, dtype: 'f32' },
      { shape: shape.slice(0, 2), dtype: 'f32' },
    ];
  },
  reference([x, params]) {
    const [batch, tokens, channels] = x!.shape as [number, number, number];
    const z = x!.data.slice();
    const logDet = new Float64Array(batch * tokens);
    eachMoved(batch, tokens, channels, (token, at, shift, logScale) => {
      z[at] = (x!.data[at]! - params!.data[shift]!) * Math.exp(-params!.data[logScale]!);
      logDet[token]! -= params!.data[logScale]!;
    });
    return [ndarray(x!.shape, z), ndarray([batch, tokens], logDet)];
  },
  kernels: { webgpu: affineFlowKernel, cpu: cpuForward },
  vjp({ inputs, outputs, gradients }) {
    const [, params] = inputs;
    const [z, logDet] = outputs;
    const [dz, dlogDet] = gradients;
    if (!dz && !dlogDet) return [null, null];
    const given = (gradient: Tensor | null | undefined, like: Tensor) =>
      gradient ?? map('0', { like });
    return apply(affineFlowBackwardOp, [params!, z!, given(dz, z!), given(dlogDet, logDet!)], {});
  },
  sample(random) {
    const shape = sampleShape(random);
    return {
      inputs: [random.normals(shape), random.normals(withParams(shape))],
      params: {},
      tolerance: { absolute: 1e-4, relative: 1e-5 },
    };
  },
};

/** Gradients of x and params from those of z and the log-det; dμ = −dx, da = −dz·z − dlogDet. */
export const affineFlowBackwardOp: Op<NoParams> = {
  name: 'affineFlowBackward',
  infer: ([params, z]) => [
    { shape: z!.shape, dtype: 'f32' },
    { shape: params!.shape, dtype: 'f32' },
  ],
  reference([params, z, dz, dlogDet]) {
    const [batch, tokens, channels] = z!.shape as [number, number, number];
    const dx = dz!.data.slice();
    const dparams = new Float64Array(sizeOf(params!.shape));
    eachMoved(batch, tokens, channels, (token, at, shift, logScale) => {
      dx[at] = dz!.data[at]! * Math.exp(-params!.data[logScale]!);
      dparams[shift] = -dx[at]!;
      dparams[logScale] = -dz!.data[at]! * z!.data[at]! - dlogDet!.data[token]!;
    });
    return [ndarray(z!.shape, dx), ndarray(params!.shape, dparams)];
  },
  kernels: { webgpu: affineFlowBackwardKernel, cpu: cpuBackward },
  sample(random) {
    const shape = sampleShape(random);
    return {
      inputs: [
        random.normals(withParams(shape)),
        random.normals(shape),
        random.normals(shape),
        random.normals(shape.slice(0, 2)),
      ],
      params: {},
    };
  },
};

/** Visits each channel that the map moves: all but those of a sequence's first token. */
function eachMoved(
  batch: number,
  tokens: number,
  channels: number,
  visit: (token: number, at: number, shift: number, logScale: number) => void,
): void {
  for (let token = 0; token < batch * tokens; token++) {
    if (token % tokens === 0) continue;
    for (let j = 0; j < channels; j++) {
      const shift = (token - 1) * 2 * channels + j;
      visit(token, token * channels + j, shift, shift + channels);
    }
  }
}

function checkInputs(inputs: readonly TensorSpec[]): Shape {
  checkFloats('affineFlow', inputs);
  const [x, params] = inputs;
  const [batch, tokens, channels] = x!.shape;
  const wanted = [batch, tokens, 2 * (channels ?? 0)];
  if (x!.shape.length !== 3 || !sameShape(params!.shape, wanted as number[])) {
    throw new ShapeError(
      `affineFlow: needs x [batch, tokens, channels] and params [batch, tokens, 2·channels], ` +
        `got ${formatShape(x!.shape)} and ${formatShape(params!.shape)}`,
    );
  }
  return x!.shape;
}

function sampleShape(random: SampleRandom): number[] {
  const channels = random.pick([random.length(33), 4 * random.integer(1, 20)]);
  return [random.length(7), random.length(17), channels];
}

const withParams = (shape: Shape) => [shape[0]!, shape[1]!, 2 * shape[2]!];

/**
 * The causal affine map of a flow block on tokens in reading order (FARMER, eq. 8-10):
 * z_i = (x_i − μ_{i−1})·exp(−a_{i−1}) and logDet_i = −Σ_j a_{i−1,j}; the first token passes, with log-det 0.
 * @param x [B, N, d]
 * @param params [B, N, 2d]: at each position μ, then the log-std a, for the NEXT token; the last one is not used
 * @returns z [B, N, d] and each token's log-determinant [B, N], in nats
 * @throws ShapeError for other shapes
 */
export function affineFlow(x: Tensor, params: Tensor): { z: Tensor; logDet: Tensor } {
  const [z, logDet] = apply(affineFlowOp, [x, params], {});
  return { z: z!, logDet: logDet! };
}
