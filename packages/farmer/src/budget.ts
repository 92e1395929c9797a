import { ShapeInit } from '@farmer/nn';
import { empty, RandomStream, scope, ShapeDevice, withDefaultDevice } from '@farmer/tensor';
import { CapturedTraining } from './captured-training.ts';
import type { FarmerConfig, ModelConfig } from './config.ts';
import { paddedSize } from './dimensions.ts';
import { negativeLogLikelihood } from './likelihood.ts';
import { Farmer } from './model.ts';
import { sampleImages } from './sampler.ts';

/** Parts of a model by the paths of their parameters, from the general to the special: the last that matches counts. */
const parts = {
  'flow blocks': /^flow\./,
  'flow positions': /^flow\.blocks\.\d+\.position$/,
  'AR layers': /^ar\./,
  'AR class embedding': /^ar\.classEmbedding\./,
  'AR positions': /^ar\.position$/,
  'AR informative head': /^ar\.informativeHead\./,
  'AR shared head': /^ar\.sharedHead\./,
};

export type ModelPart = keyof typeof parts;

export interface ParameterCounts {
  readonly parts: Readonly<Record<ModelPart, number>>;
  readonly flow: number;
  /** The AR model with its embeddings and heads. */
  readonly ar: number;
  readonly total: number;
}

/**
 * What one pass takes. Memory is of tensors from the op that makes them to the last that uses them; a device's
 * rounding and its kernels' own buffers come on top (test/gpu/memory.test.ts bounds them).
 */
export interface Cost {
  readonly batch: number;
  /** Of products of matrices, a multiply-add counted as two. */
  readonly flops: number;
  /** Most bytes at a time, weights included. */
  readonly peakBytes: number;
  /** Of the largest tensor, which an adapter must be able to bind. */
  readonly largestTensorBytes: number;
}

export interface TrainingCost extends Cost {
  readonly weightBytes: number;
  /** Running averages of the optimiser. */
  readonly optimiserBytes: number;
  /** What `peakBytes` is made of: parameters, gradients, optimiser, activations, other. */
  readonly byTag: Readonly<Record<string, number>>;
}

/** Runs `body` on a model of shapes alone, which takes the same code as a real one and no memory. */
function onShapes<T>(config: ModelConfig, body: (model: Farmer, device: ShapeDevice) => T): T {
  const device = new ShapeDevice();
  return withDefaultDevice(device, () => body(new Farmer(config, new ShapeInit(device)), device));
}

/** The number of trainable values in each part of a model; nothing is allocated. */
export function parameterCounts(config: ModelConfig): ParameterCounts {
  return onShapes(config, (model) => {
    const counts = Object.fromEntries(Object.keys(parts).map((part) => [part, 0])) as Record<
      ModelPart,
      number
    >;
    for (const [path, { size }] of model.namedParameters()) counts[partOf(path)] += size;
    const sumOf = (prefix: string) =>
      Object.entries(counts).reduce((sum, [part, n]) => sum + (part.startsWith(prefix) ? n : 0), 0);
    return { parts: counts, flow: sumOf('flow'), ar: sumOf('AR'), total: sumOf('') };
  });
}

function partOf(path: string): ModelPart {
  const matching = Object.entries(parts).filter(([, pattern]) => pattern.test(path));
  const part = matching.at(-1)?.[0];
  if (!part) throw new Error(`parameter ${path} belongs to no part of the model`);
  return part as ModelPart;
}

/** One optimisation step, as the trainer runs it. */
export function trainingCost(config: FarmerConfig, batch: number): TrainingCost {
  return onShapes(config.model, (model, device) => {
    model.recompute = config.training.recompute;
    const { images, labels } = inputs(config.model, batch);
    const training = new CapturedTraining(config.training, {
      parameters: model.namedParameters(),
      prepare: () => {},
      loss: () =>
        negativeLogLikelihood(model.logLikelihood(images, labels), model.dimensions.values),
    });
    training.advance();
    const { parameters: weightBytes = 0, optimiser: optimiserBytes = 0 } = device.memory().byTag;
    const { byTag } = device.need();
    return { ...costSoFar(device, batch), weightBytes, optimiserBytes, byTag };
  });
}

/** The likelihood of `batch` images, with no gradient. */
export function likelihoodCost(config: ModelConfig, batch: number): Cost {
  return onShapes(config, (model, device) => {
    const { images, labels } = inputs(config, batch);
    scope(() => model.logLikelihood(images, labels));
    return costSoFar(device, batch);
  });
}

/** Drawing `batch` images, without guidance. */
export function samplingCost(config: ModelConfig, batch: number): Cost {
  return onShapes(config, (model, device) => {
    const { labels } = inputs(config, batch);
    sampleImages(model, labels, new RandomStream(0));
    return costSoFar(device, batch);
  });
}

function costSoFar(device: ShapeDevice, batch: number): Cost {
  const { bytes: peakBytes } = device.need();
  return { batch, flops: device.flops, peakBytes, largestTensorBytes: device.largestBlock };
}

function inputs(config: ModelConfig, batch: number) {
  const { height, width } = paddedSize(config);
  const { channels } = config.image;
  return { images: empty([batch, height, width, channels]), labels: empty([batch], 'i32') };
}
