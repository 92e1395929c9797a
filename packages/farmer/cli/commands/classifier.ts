import type { Command } from 'commander';
import { Classifier } from '../../src/classifier.ts';
import {
  classifyImages,
  ClassifierTrainer,
  type ClassifierTrainingConfig,
} from '../../src/classifier-training.ts';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import { accuracy } from '../../src/metrics/class-accuracy.ts';
import { MAX_BLOCKS, MAX_WIDTH, readClassifier, writeClassifier } from '../classifier-file.ts';
import { checkFit } from '../classifier-reference.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { Interrupt } from '../interrupt.ts';
import {
  imageSizeOption,
  positiveNumber,
  wholeNumber,
  withCommonOptions,
  type CommonOptions,
} from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { compilingLine } from '../progress.ts';
import { shellWord } from '../shell-word.ts';
import { runTraining } from '../training-loop.ts';
import { folderSize, loadSplit } from '../training-data.ts';
import { resolveClassifier } from '../weights.ts';

interface TrainOptions extends CommonOptions {
  readonly data: string;
  readonly imageSize?: number;
  readonly out: string;
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
    .description('Train a small convolutional classifier and write its weights.')
    .option('--data <name|dir>', 'mnist, fashion-mnist, twemoji, or a folder of PNGs', 'mnist')
    .addOption(imageSizeOption())
    .requiredOption('--out <file>', 'the safetensors file to write')
    .option('--epochs <n>', 'passes over the training images', wholeNumber(1), 8)
    .option('--batch <n>', 'images a step', wholeNumber(1), 64)
    .option('--learning-rate <x>', 'the largest of the cosine schedule', positiveNumber, 2e-3)
    .option('--width <n>', 'channels, and features for the metrics', wholeNumber(1, MAX_WIDTH), 64)
    .option('--blocks <n>', 'residual blocks', wholeNumber(0, MAX_BLOCKS), 1)
    .option('--shift <n>', 'shift training images at random by up to n pixels', wholeNumber(0), 2)
    .option('--mirror', 'mirror half of the training images');
  withCommonOptions(train, [
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
  const { data, out, seed, width, blocks } = options;
  await checkWritable(out);
  const size = folderSize(data, options.imageSize);
  const [train, test] = [await loadSplit(data, 'train', size), await loadSplit(data, 'test', size)];
  const { height, width: imageWidth, channels, classes } = train;
  const config = { image: { height, width: imageWidth, channels }, classes, width, blocks };
  await withDevice(options, output, async (device) => {
    const classifier = new Classifier(config, seed);
    const training = trainingConfig(options, train.count);
    output.line(
      `classifier  ${classifier.parameterCount()} parameters, ${training.steps} steps of ${training.batch} images`,
    );
    const trainer = new ClassifierTrainer(classifier, train, training, seed);
    const start = performance.now();
    const interrupt = new Interrupt(() => output.line('stopping after this step'));
    await runTraining({
      ...{ trainer, device, until: training.steps, logSteps: 100 },
      onCompiled: compilingLine(output),
      onMetrics: ({ step, loss }) =>
        output.status(`step ${step}/${training.steps}  loss ${loss.toFixed(4)}`),
      shouldStop: () => interrupt.requested,
    });
    interrupt.dispose();
    const seconds = Math.round((performance.now() - start) / 1000);
    const { step } = trainer;
    trainer.dispose();
    if (interrupt.requested) {
      process.exitCode = interrupt.exitCode;
      output.line(
        `stopped     at step ${step} of ${training.steps}: nothing was written, and the same command begins anew`,
      );
      return;
    }
    const { share } = await testAccuracy(classifier, test, output);
    const command = `farmer classifier train ${describeChoices(options)}`;
    const measured = { testAccuracy: share, testImages: test.count };
    const info = { config, data, command, device: device.name, seconds, ...measured };
    await writeClassifier(out, classifier, info);
    output.line(
      `accuracy    ${percent(share)} of ${test.count} test images, after ${seconds} s of training`,
    );
    output.line(`weights     ${out}`);
    output.result({
      command: 'classifier train',
      out,
      seconds,
      steps: training.steps,
      ...measured,
    });
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

function trainingConfig(options: TrainOptions, images: number): ClassifierTrainingConfig {
  const { batch, epochs, learningRate, shift, mirror = false } = options;
  const steps = Math.max(2, Math.round((epochs * images) / batch));
  return {
    ...{ steps, batch, peakLearningRate: learningRate, finalLearningRate: 0.001 },
    ...{ warmup: Math.min(200, Math.floor(steps / 10)), betas: [0.9, 0.99] },
    ...{ weightDecay: 0.05, clip: 1, augmentation: { shift, mirror } },
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
