import { iota, map, matmul, ndarray, permute, reshape, softmax, type Tensor } from '@farmer/tensor';
import type { Device, NdArray, Op } from '@farmer/tensor';
import { attentionBackwardOp } from '../../../packages/tensor/src/ops/attention-backward.ts';
import {
  attentionOp,
  attentionReference,
  type AttentionParams,
} from '../../../packages/tensor/src/ops/attention.ts';
import { runFewQueries } from '../../../packages/tensor/src/webgpu/attention/few-queries.ts';
import { runManyQueries } from '../../../packages/tensor/src/webgpu/attention/forward.ts';
import { capabilitiesOf, noise, opWork, pretending, type Family } from '../family.ts';

const axes = ['batch', 'queries', 'keys', 'width', 'heads'];

/** The flow and the AR Transformer of a small model; long sequences. */
const shapes = [
  [64, 49, 49, 64, 4],
  [64, 52, 52, 96, 6],
  [4, 256, 256, 256, 4],
];
/** One token, of 32 images of a small model, and of one image of `base` at 256 tokens. */
const decoding = [
  [32, 1, 51, 64, 4],
  [1, 1, 256, 192, 6],
];

/** q, k, v, and the position of the first query where it is not 0. */
function operands([batch, queries, keys, width]: readonly number[]): NdArray[] {
  const q = noise(1, batch!, queries!, width!);
  const kv = [2, 3].map((stream) => noise(stream, batch!, keys!, width!));
  const position = queries === keys ? [] : [ndarray([1], [keys! - queries!], 'u32')];
  return [q, ...kv, ...position];
}

/** Scores of all pairs in memory, masked, through softmax, and back: six kernels. */
function composed({ heads }: AttentionParams) {
  return (q: Tensor, k: Tensor, v: Tensor): Tensor => {
    const [batch, queries, width] = q.shape as [number, number, number];
    const keys = k.shape[1]!;
    const size = width / heads;
    const split = (x: Tensor): Tensor =>
      permute(reshape(x, [batch, x.shape[1]!, heads, size]), [0, 2, 1, 3]);
    const scores = matmul(split(q), split(k), { transposeB: true });
    const row = reshape(iota(queries), [queries, 1]);
    const column = iota(keys);
    const masked = map('where(column <= row + offset, s * scale, -1e30)', {
      ...{ s: scores, row, column },
      ...{ offset: keys - queries, scale: 1 / Math.sqrt(size) },
    });
    const mixed = matmul(softmax(masked), split(v));
    return reshape(permute(mixed, [0, 2, 1, 3]), [batch, queries, width]);
  };
}

/** The forward pass with a lane for a query or two, and with a query that lanes share. */
const manyQueries = { ...attentionOp, kernels: { webgpu: runManyQueries } };
const fewQueries = { ...attentionOp, kernels: { webgpu: runFewQueries } };

/** One kernel whose lanes load each key by themselves, or load it together and pass it round. */
function loads<P>(op: Op<P>, device: Device): (readonly [string, Op<P>])[] {
  const capabilities = capabilitiesOf(device);
  if (!capabilities) return [];
  const alone = ['2-own-loads', pretending(op, { adapterKind: 'hardware' })] as const;
  if (!capabilities.subgroups) return [alone];
  return [alone, ['3-broadcast', pretending(op, { adapterKind: 'software' })]];
}

export const attentionFamilies: readonly Family[] = [
  {
    name: 'attention',
    axes,
    shapes: [...shapes, ...decoding],
    work(shape, device) {
      const params = { heads: shape[4]!, causal: true };
      return opWork(attentionOp, operands(shape), params, {
        variants: [
          ['1-composed', composed(params)],
          ...loads(manyQueries, device),
          ...(capabilitiesOf(device) ? [['4-few-queries', fewQueries] as const] : []),
        ],
        tolerance: { absolute: 5e-5 },
      });
    },
  },
  {
    name: 'attention-gradient',
    axes,
    shapes,
    work(shape, device) {
      const params = { heads: shape[4]!, causal: true };
      const [q, k, v, ...position] = operands(shape);
      const saved = attentionReference([q!, k!, v!, ...position], params).map((array) =>
        ndarray(array.shape, array.data.map(Math.fround)),
      );
      const upstream = saved.map(({ shape: own }, i) => noise(4 + i, ...own));
      const inputs = [q!, k!, v!, ...saved, ...upstream, ...position];
      return opWork(attentionBackwardOp, inputs, params, {
        variants: loads(attentionBackwardOp, device),
        tolerance: { absolute: 5e-4, relative: 1e-4 },
      });
    },
  },
];
