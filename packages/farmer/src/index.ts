// The model and its parts, in the order in which an image goes through them.
export { Farmer, totalLogLikelihood, type LogLikelihood } from './model.ts';
export { cdfPixels, gaussianPixels, pixelMap, uniformPixels, type PixelMap } from './dequantize.ts';
export {
  fitHistogram,
  histogramBitsPerDim,
  smoothCounts,
  trainingBitsPerDim,
  type PixelDistribution,
  type PixelHistogram,
} from './histogram.ts';
export { normalLogPdf, normalTail, normalTailQuantile } from './normal.ts';
export { patchify, unpatchify } from './patchify.ts';
export { dctMatrix, PatchTransform } from './patch-transform.ts';
export type { InvertibleMap, Mapped, TokensMapped, TokenwiseMap } from './invertible-map.ts';
export { Flow } from './flow.ts';
export { FlowBlock, type FlowBlockOptions } from './flow-block.ts';
export { JetBlock, type JetBlockOptions } from './jet-block.ts';
export {
  arDirection,
  couplingOrder,
  flowDirection,
  permuteTokens,
  permuteTokenValues,
  type Direction,
} from './permutation.ts';
export { joinChannels, splitChannels, type SplitTokens } from './dimension-split.ts';
export { ArTransformer, type Predictions } from './ar-transformer.ts';
export type { LatentLogLikelihood, Prior } from './prior.ts';
export { GaussianPrior, standardNormalLogProb } from './gaussian-prior.ts';

// Configurations, and what they cost.
export {
  checkDataset,
  checkImages,
  ConfigError,
  parseConfig,
  type FarmerConfig,
  type ModelConfig,
  type TrainingConfig,
} from './config.ts';
export { dimensions, paddedSize, type Dimensions } from './dimensions.ts';
export { nearestMatch } from './nearest-match.ts';
export { preset, presets, type PresetName } from './presets.ts';
export {
  likelihoodCost,
  parameterCounts,
  samplingCost,
  trainingCost,
  type Cost,
  type ModelPart,
  type ParameterCounts,
  type TrainingCost,
} from './budget.ts';

// Images.
export {
  imageDataset,
  imagesAt,
  imageSize,
  type ImageDataset,
  type ImageDatasetParts,
  type ImageShape,
} from './data/image-dataset.ts';
export { heldOutKeys, subset } from './data/split.ts';
export {
  sequentialBatches,
  shuffledBatches,
  type Batches,
  type Permutation,
} from './data/batches.ts';
export {
  cropImages,
  padImages,
  patchPadding,
  type ImageLayout,
  type Padding,
} from './data/padding.ts';
export { IdxError, readIdx, type IdxArray } from './data/idx.ts';
export { augment, type Augmentation } from './augment.ts';

// Training and likelihoods.
export { Trainer, type TrainerOptions, type TrainingMetrics } from './trainer.ts';
export {
  CapturedTraining,
  type OptimisationConfig,
  type StepMetrics,
  type TrainingTask,
} from './captured-training.ts';
export { bitsPerDim, negativeLogLikelihood } from './likelihood.ts';
export {
  evaluate,
  scoreImages,
  scoringMap,
  type Evaluation,
  type EvaluationOptions,
  type ImageScore,
  type ScoringOptions,
} from './evaluate.ts';
export { classPosterior } from './class-posterior.ts';
export {
  scoreTokens,
  tokenLogLikelihood,
  type ScoredImages,
  type TokenScores,
} from './token-likelihood.ts';

// Sampling and guidance.
export {
  sampleImages,
  sampleLatents,
  type ImageSamplingOptions,
  type SamplingOptions,
} from './sampler.ts';
export type { DecodingOptions } from './repeat-step.ts';
export { checkGuidance, drawGuided, type Guidance } from './guidance.ts';
export type { GuidedMixtures, Temperatures } from './guidance-candidates.ts';
export { guidancePresets } from './guidance-presets.ts';
export {
  candidateLogits,
  exactResampling,
  type ResamplingGuidance,
} from './guidance-resampling.ts';
export type { NaiveGuidance } from './guidance-naive.ts';

// One-step distillation.
export {
  distillationConfig,
  parseDistillationConfig,
  type DistillationConfig,
} from './distill-config.ts';
export {
  Distiller,
  distillationLoss,
  forwardPath,
  perturbed,
  type DistillerOptions,
} from './distill.ts';
export { StudentBlock, StudentFlow, type StudentAttention } from './student-flow.ts';
export {
  compareReverse,
  type ReverseComparison,
  type ReverseFigures,
} from './reverse-comparison.ts';

// Metrics of samples, and the classifier whose features they compare.
export { Classifier, type ClassifierConfig } from './classifier.ts';
export {
  classifyImages,
  ClassifierTrainer,
  type Classified,
  type ClassifierTrainingConfig,
} from './classifier-training.ts';
export {
  measureSamples,
  referenceOf,
  type Reference,
  type SampleMetrics,
} from './metrics/sample-metrics.ts';
export { fitGaussian, frechetDistance, type Gaussian } from './metrics/frechet.ts';
export { inceptionScore } from './metrics/inception-score.ts';
export { precisionRecall, type PrecisionRecall } from './metrics/precision-recall.ts';
export { accuracy, type Accuracy } from './metrics/class-accuracy.ts';
export {
  memorisation,
  nearestTrainingImages,
  quantile,
  type Memorisation,
  type Nearest,
} from './metrics/memorisation.ts';
export { auroc } from './metrics/auroc.ts';
export { symmetricEigen, type SymmetricEigen } from './metrics/symmetric-eigen.ts';
