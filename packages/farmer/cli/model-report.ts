import {
  likelihoodCost,
  parameterCounts,
  samplingCost,
  trainingCost,
  type Cost,
  type ParameterCounts,
  type TrainingCost,
} from '../src/budget.ts';
import type { FarmerConfig } from '../src/config.ts';
import { dimensions, paddedSize } from '../src/dimensions.ts';

/** What a configuration's model needs, counted on shapes alone. */
export interface ModelReport {
  readonly parameters: ParameterCounts;
  readonly likelihood: Cost;
  /** One step on one image, and on a batch. */
  readonly trainingOne: TrainingCost;
  readonly training: TrainingCost;
  readonly sampling: Cost;
}

/** @param batch images at once in training and sampling */
export function reportModel(config: FarmerConfig, batch: number): ModelReport {
  return {
    parameters: parameterCounts(config.model),
    likelihood: likelihoodCost(config.model, batch),
    trainingOne: trainingCost(config, 1),
    training: trainingCost(config, batch),
    sampling: samplingCost(config.model, batch),
  };
}

export function formatReport(config: FarmerConfig, report: ModelReport): string[] {
  return [
    ...formatModel(config),
    ...formatParameters(report.parameters),
    ...formatCosts(config, report),
  ];
}

function formatModel({ model }: FarmerConfig): string[] {
  const { image, patch, flow, ar, prior } = model;
  const { tokens, channels, informative, redundant } = dimensions(model);
  const padded = paddedSize(model);
  const isPadded = padded.height * padded.width > image.height * image.width;
  const kind = flow.kind === 'jet' ? 'Jet' : 'autoregressive';
  return [
    `image       ${image.height} × ${image.width} × ${image.channels}${isPadded ? `, padded to ${padded.height} × ${padded.width}` : ''}, patch ${patch}: ${tokens} tokens of ${channels} channels`,
    `flow        ${kind}, ${flow.blocks} blocks of ${layers(flow.layers)}, width ${flow.width}`,
    prior === 'ar'
      ? `AR model    ${layers(ar.layers)}, width ${ar.width}; ${informative} informative and ${redundant} redundant channels`
      : 'AR model    none: the prior is N(0, I)',
  ];
}

function formatParameters({ parts, total }: ParameterCounts): string[] {
  const rows = Object.entries(parts).filter(([, count]) => count > 0);
  const digits = count(total).length;
  return [
    `parameters  ${count(total)}`,
    ...rows.map(([part, n]) => `  ${part.padEnd(20)}  ${count(n).padStart(digits)}`),
  ];
}

function formatCosts(config: FarmerConfig, report: ModelReport): string[] {
  const { likelihood, trainingOne, training, sampling } = report;
  const { batch } = training;
  const each = ({ flops }: Cost) => `${scaled(flops / batch)}FLOP`;
  const images = batch === 1 ? '1 image' : `${batch} images`;
  const run = (training.flops / batch) * config.training.batch * config.training.steps;
  return [
    `an image    forward ${each(likelihood)}, training step ${each(training)}, drawing ${each(sampling)}`,
    `a run       ${count(config.training.steps)} steps of ${config.training.batch} images: ${scaled(run)}FLOP`,
    'memory',
    `  weights ${bytes(training.weightBytes)}, optimiser ${bytes(training.optimiserBytes)}`,
    `  training on 1 image ${bytes(trainingOne.peakBytes)}` +
      (batch === 1 ? '' : `, on ${images} ${bytes(training.peakBytes)}`) +
      ` (${bytesByTag(training.byTag)})`,
    `  drawing ${images} ${bytes(sampling.peakBytes)}`,
    `  largest tensor ${bytes(training.largestTensorBytes)} in training, ${bytes(sampling.largestTensorBytes)} in drawing`,
  ];
}

const layers = (n: number): string => `${n} ${n === 1 ? 'layer' : 'layers'}`;
const count = (n: number): string => n.toLocaleString('en-US');
/** As in "34 MB". */
export const bytes = (n: number): string => `${scaled(n)}B`;

/** "activations 34 MB, optimiser 1.84 MB", the largest first. */
export function bytesByTag(byTag: Readonly<Record<string, number>>): string {
  const tags = Object.entries(byTag).sort(([, a], [, b]) => b - a);
  return tags.map(([tag, size]) => `${tag} ${bytes(size)}`).join(', ');
}

/** Three digits and a unit prefix: 506_024_865_792 → "506 G". */
export function scaled(value: number): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
  let rest = value;
  let prefix = 0;
  // 999.5 would round to 1000 with three digits.
  while (rest >= 999.5 && prefix < prefixes.length - 1) {
    rest /= 1000;
    prefix++;
  }
  return `${Number(rest.toPrecision(3))} ${prefixes[prefix]}`;
}
