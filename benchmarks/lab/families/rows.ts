import { map, max, mean, sum, type Op, type Tensor } from '@farmer/tensor';
import { layerNormGradientOp, layerNormOp } from '../../../packages/tensor/src/ops/layer-norm.ts';
import { logSumExpOp } from '../../../packages/tensor/src/ops/reduce.ts';
import { softmaxOp } from '../../../packages/tensor/src/ops/softmax.ts';
import { rowVariants } from '../../../packages/tensor/src/webgpu/rows/select.ts';
import { noise, opWork, type Family } from '../family.ts';
import { byRowVariant } from '../row-variants.ts';
import type { Device } from '@farmer/tensor';

const axes = ['rows', 'columns'];
const last = { axes: [-1], keepDims: true };

/** Rows of a square, of few long ones, and of the widths of the presets. */
const shapes = [
  [1024, 1024],
  [16, 65536],
  [3136, 64],
  [3136, 8],
];

const composedSoftmax = (x: Tensor): Tensor => {
  const e = map('exp(x - most)', { x, most: max(x, last) });
  return map('e / whole', { e, whole: sum(e, last) });
};

const composedLogSumExp = (x: Tensor): Tensor => {
  const most = max(x, last);
  const total = sum(map('exp(x - most)', { x, most }), last);
  return map('most + log(total)', { most, total });
};

const composedLayerNorm =
  (epsilon: number) =>
  (x: Tensor, scale: Tensor, shift: Tensor): Tensor => {
    const centred = map('x - mean', { x, mean: mean(x, last) });
    const variance = mean(map('d * d', { d: centred }), last);
    const inputs = { d: centred, variance, scale, shift, epsilon };
    return map('d * rsqrt(variance + epsilon) * scale + shift', inputs);
  };

/** A kernel a step, each of which reads and writes whole rows, then one kernel in several ways. */
const ways = <P>(op: Op<P>, composed: (...inputs: Tensor[]) => Tensor, device: Device) =>
  [['1-composed', composed] as const, ...byRowVariant(op, device, rowVariants)] as const;

export const rowFamilies: readonly Family[] = [
  {
    name: 'softmax',
    axes,
    shapes,
    work: ([rows, columns], device) =>
      opWork(
        softmaxOp,
        [noise(1, rows!, columns!)],
        {},
        {
          variants: ways(softmaxOp, composedSoftmax, device),
        },
      ),
  },
  {
    name: 'logsumexp',
    axes,
    shapes,
    work([rows, columns], device) {
      const params = { axes: [1], keepDims: true };
      const x = noise(1, rows!, columns!);
      return opWork(logSumExpOp, [x], params, {
        variants: ways(logSumExpOp, composedLogSumExp, device),
      });
    },
  },
  {
    name: 'layer-norm',
    axes,
    shapes: [
      [3136, 64],
      [3200, 192],
      [1024, 1024],
    ],
    work([rows, columns], device) {
      const epsilon = 1e-5;
      const inputs = [noise(1, rows!, columns!), noise(2, columns!), noise(3, columns!)];
      return opWork(
        layerNormOp,
        inputs,
        { epsilon },
        {
          variants: ways(layerNormOp, composedLayerNorm(epsilon), device),
        },
      );
    },
  },
  {
    name: 'layer-norm-gradient',
    axes,
    shapes: [
      [3136, 64],
      [3200, 192],
    ],
    work([rows, columns], device) {
      const inputs = [noise(1, rows!, columns!), noise(2, columns!), noise(3, rows!, columns!)];
      return opWork(
        layerNormGradientOp,
        inputs,
        { epsilon: 1e-5 },
        {
          variants: byRowVariant(layerNormGradientOp, device, rowVariants),
          // A parameter's gradient is a sum over all rows.
          tolerance: { absolute: 3e-5 * Math.sqrt(rows!) },
        },
      );
    },
  },
];
