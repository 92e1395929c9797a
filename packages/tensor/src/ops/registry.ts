import type { Op } from '../op.ts';
import { addAssignOp } from './add-assign.ts';
import { adamwOp } from './adamw.ts';
import { affineFlowBackwardOp, affineFlowOp } from './affine-flow.ts';
import { argmaxOp } from './argmax.ts';
import { assignOp } from './assign.ts';
import { attentionBackwardOp } from './attention-backward.ts';
import { attentionOp } from './attention.ts';
import { cacheWriteOp } from './cache-write.ts';
import { concatOp } from './concat.ts';
import { crossEntropyGradientOp, crossEntropyOp } from './cross-entropy.ts';
import { emaOp } from './ema.ts';
import { fillOp } from './fill.ts';
import { flipOp } from './flip.ts';
import { gatherOp, scatterAddOp } from './gather.ts';
import { gaussianMixtureBackwardOp, gaussianMixtureOp } from './gaussian-mixture.ts';
import { clipScaleOp, globalNormOp } from './global-norm.ts';
import { iotaOp } from './iota.ts';
import { layerNormGradientOp, layerNormOp } from './layer-norm.ts';
import { mapReduceOp } from './map-reduce.ts';
import { mapOp } from './map.ts';
import { matmulOp } from './matmul.ts';
import { oneHotOp } from './one-hot.ts';
import { padOp } from './pad.ts';
import { permuteOp } from './permute.ts';
import { randomCategoricalOp, randomNormalOp, randomUniformOp } from './random.ts';
import { logSumExpOp, maxOp, meanOp, minOp, sumOp } from './reduce.ts';
import { reshapeOp } from './reshape.ts';
import { rmsNormGradientOp, rmsNormOp } from './rms-norm.ts';
import { sampleGaussianMixtureOp } from './sample-gaussian-mixture.ts';
import { sgdOp } from './sgd.ts';
import { sliceOp } from './slice.ts';
import { logSoftmaxGradientOp, logSoftmaxOp, softmaxGradientOp, softmaxOp } from './softmax.ts';
import { splitOp } from './split.ts';
import { scatterAddAlongAxisOp, takeAlongAxisOp } from './take-along-axis.ts';

/** Every op: what the conformance tests check on every device. */
export const registry: readonly Op<unknown>[] = [
  addAssignOp,
  adamwOp(1),
  adamwOp(9),
  affineFlowBackwardOp,
  affineFlowOp,
  argmaxOp,
  assignOp,
  attentionBackwardOp,
  attentionOp,
  cacheWriteOp,
  clipScaleOp,
  concatOp,
  crossEntropyGradientOp,
  crossEntropyOp,
  emaOp(13),
  fillOp,
  flipOp,
  gatherOp,
  gaussianMixtureBackwardOp,
  gaussianMixtureOp,
  globalNormOp,
  iotaOp,
  layerNormGradientOp,
  layerNormOp,
  logSoftmaxGradientOp,
  logSoftmaxOp,
  logSumExpOp,
  mapOp,
  mapReduceOp,
  matmulOp,
  maxOp,
  meanOp,
  minOp,
  oneHotOp,
  padOp,
  permuteOp,
  randomCategoricalOp,
  randomNormalOp,
  randomUniformOp,
  reshapeOp,
  rmsNormGradientOp,
  rmsNormOp,
  sampleGaussianMixtureOp,
  scatterAddAlongAxisOp,
  scatterAddOp,
  sgdOp(7, false),
  sgdOp(7, true),
  sliceOp,
  softmaxGradientOp,
  softmaxOp,
  splitOp,
  sumOp,
  takeAlongAxisOp,
];
