import type { Command } from 'commander';
import type { Classifier } from '../../src/classifier.ts';
import { classifyImages } from '../../src/classifier-training.ts';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { accuracy } from '../../src/metrics/class-accuracy.ts';
import { MAX_BLOCKS, MAX_WIDTH, readClassifier, writeClassifier } from '../classifier-file.ts';
import { trainClassifierInFolder, type ClassifierRun } from '../classifier-in-folder.ts';
import { checkFit } from '../classifier-reference.ts';
import { dataOption, folderSize, imageSizeOption } from '../data-options.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { checkResume, withFolderRunOptions, type FolderRunOptions } from '../folder-run-options.ts';
import { positiveNumber, wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { RunFolder } from '../run-folder.ts';
import { shellWord } from '../shell-word.ts';
import { loadSplit } from '../training-data.ts';
import { resolveClassifier } from '../weights.ts';

interface TrainOptions extends CommonOptions, FolderRunOptions {
  readonly data: string;
  readonly imageSize?: number;
  readonly out: string;
  readonly run?: string;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly width: number;
  readonly blocks: number;
  readonly shift: number;
  readonly mirror?: boolean;
}

interface EvalOptions extends CommonOptions {
  readonly classifier?: string;
  readonly data?: string;
}

export function addClassifierCommand(program: Command): void {
  const group = program
    .command('classifier')
    .description('Train and check the image classifier that `farmer metrics` measures with.');
  const train = group
    .command('train')
    .description(
      'Train a small convolutional classifier and write its weights; a training that was interrupted goes on where it was.',
    )
    .addOption(dataOption())
    .addOption(imageSizeOption())
    .requiredOption('--out <file>', 'the safetensors file to write')
    .option('--run <dir>', 'run folder (default: <file>-run, beside --out)')
    .option('--epochs <n>', 'passes over the training images', wholeNumber(1), 8)
    .option('--batch <n>', 'images a step', wholeNumber(1), 64)
    .option('--learning-rate <x>', 'the largest of the cosine schedule', positiveNumber, 2e-3)
    .option('--width <n>', 'channels, and features for the metrics', wholeNumber(1, MAX_WIDTH), 64)
    .option('--blocks <n>', 'residual blocks', wholeNumber(0, MAX_BLOCKS), 1)
    .option('--shift <n>', 'shift training images at random by up to n pixels', wholeNumber(0), 2)
    .option('--mirror', 'mirror half of the training images');
  withCommonOptions(withFolderRunOptions(train), [
    'farmer classifier train --data mnist --out digits.safetensors',
    'farmer classifier train --data fashion-mnist --mirror --shift 1 --epochs 12 --out clothes.safetensors',
  ]).action((options: TrainOptions) => runTrain(options));

  const evaluate = group
    .command('eval')
    .description('Measure a classifier on test images, class by class.')
    .option('--classifier <file>', "a classifier's file (default: the one shipped for --data)")
    .option('--data <name|dir>', 'images to classify (default: those of its training, or mnist)');
  withCommonOptions(evaluate, [
    'farmer classifier eval --data fashion-mnist',
    'farmer classifier eval --classifier digits.safetensors',
  ]).action((options: EvalOptions) => runEval(options));
}

async function runTrain(options: TrainOptions): Promise<void> {
  const output = createOutput(options);
  const { data, out } = options;
  const folder = new RunFolder(options.run ?? `${out.replace(/\.safetensors$/, '')}-run`);
  checkResume(options, folder);
  await checkWritable(out);
  const size = folderSize(data, options.imageSize);
  const [dataset, test] = [
    await loadSplit(data, 'train', size),
    await loadSplit(data, 'test', size),
  ];
  const run = classifierRun(options, dataset);
  const { steps } = run.training;
  output.line(`run         ${folder.path}`);
  await withDevice(options, output, async (device) => {
    const session = { folder, run, dataset, device, output, options };
    const { classifier, step, seconds } = await trainClassifierInFolder(session);
    const result = { command: 'classifier train', run: folder.path, step, steps, seconds };
    if (step < steps) {
      const { until = Infinity } = options;
      output.line(`go on with  the same command${step < until ? '' : ', but for its --until'}`);
      return output.result(result);
    }
    const { share } = await testAccuracy(classifier, test, output);
    const measured = { testAccuracy: share, testImages: test.count };
    await writeClassifier(out, classifier, {
      ...{ config: run.classifier, data, device: device.name, seconds, ...measured },
      command: `farmer classifier train ${describeChoices(options)}`,
    });
    output.line(
      `accuracy    ${percent(share)} of ${test.count} test images, after ${seconds} s of training`,
    );
    output.line(`weights     ${out}`);
    output.result({ ...result, out, ...measured });
  });
}

async function runEval(options: EvalOptions): Promise<void> {
  const output = createOutput(options);
  const path = resolveClassifier(options.classifier, options.data ?? 'mnist');
  await withDevice(options, output, async () => {
    const { classifier, info } = await readClassifier(path);
    const test = await loadSplit(options.data ?? info.data, 'test', info.config.image);
    checkFit(classifier, test, path);
    const { share, byClass } = await testAccuracy(classifier, test, output);
    output.line(`classifier  ${path}, trained on ${info.data}`);
    output.line(`accuracy    ${percent(share)} of ${test.count} images of "${test.name}"`);
    test.classNames.forEach((name, i) =>
      output.line(`  ${name.padEnd(20)} ${percent(byClass[i]!)}`),
    );
    output.result({ command: 'classifier eval', classifier: path, accuracy: share, byClass });
  });
}

function classifierRun(options: TrainOptions, dataset: ImageDataset): ClassifierRun {
  const { data, seed, width, blocks, batch, epochs, learningRate, shift, mirror = false } = options;
  const { height, width: imageWidth, channels, classes, count } = dataset;
  const steps = Math.max(2, Math.round((epochs * count) / batch));
  return {
    ...{ data, seed },
    classifier: { image: { height, width: imageWidth, channels }, classes, width, blocks },
    training: {
      ...{ steps, batch, peakLearningRate: learningRate, finalLearningRate: 0.001 },
      ...{ warmup: Math.min(200, Math.floor(steps / 10)), betas: [0.9, 0.99] },
      ...{ weightDecay: 0.05, clip: 1, augmentation: { shift, mirror } },
    },
  };
}

/** Everything that a training depends on, as options. */
function describeChoices(options: TrainOptions): string {
  const { data, imageSize, epochs, batch, learningRate, width, blocks, shift, mirror } = options;
  return [
    `--data ${shellWord(data)}${imageSize === undefined ? '' : ` --image-size ${imageSize}`}`,
    `--epochs ${epochs} --batch ${batch} --learning-rate ${learningRate}`,
    `--width ${width} --blocks ${blocks} --shift ${shift}${mirror ? ' --mirror' : ''} --seed ${options.seed}`,
  ].join(' ');
}

async function testAccuracy(classifier: Classifier, test: ImageDataset, output: Output) {
  const { logits } = await classifyImages(classifier, test.images, {
    onProgress: (done) => output.status(`classified ${done} of ${test.count}`),
  });
  return accuracy(logits, test.labels, test.classes);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
