import { join } from 'node:path';
import type { Command } from 'commander';
import type { Device } from '@farmer/tensor';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import type { FarmerConfig } from '../../src/config.ts';
import { evaluate } from '../../src/evaluate.ts';
import { fitHistogram, type PixelHistogram } from '../../src/histogram.ts';
import { Farmer } from '../../src/model.ts';
import { preset } from '../../src/presets.ts';
import { Trainer } from '../../src/trainer.ts';
import { writeCheckpoint } from '../checkpoint.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { histogramBaseline, printEvaluation } from '../evaluation-report.ts';
import { withFolderLock } from '../folder-lock.ts';
import { positiveNumber, wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { compilingLine, formatDuration, Progress } from '../progress.ts';
import { withStepCount } from '../run-config.ts';
import { drawSamples, labelsOfEveryClass, writeGrid } from '../sample-grid.ts';
import { Clock, measureStep, stepsWithin } from '../time-budget.ts';
import { fingerprint, loadSplit, drawImages } from '../training-data.ts';
import { runTraining } from '../training-loop.ts';

interface DemoOptions extends CommonOptions {
  readonly minutes: number;
  readonly steps?: number;
  readonly out: string;
}

/** Shares of the budget: measuring the speed, and training; the rest draws samples and evaluates. */
const MEASURE = 0.02;
const TRAIN = 0.86;
const SAMPLES_A_CLASS = 10;
const SCORING_BATCH = 250;

export function addDemoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'Train a tiny model on MNIST within minutes, measure its bits/dim on test images, and draw digits.',
    )
    .option('--minutes <m>', 'time for everything', positiveNumber, 5)
    .option('--steps <n>', 'train this many steps instead of what fits the time', wholeNumber(1))
    .option('--out <dir>', 'folder for the samples and weights', join('runs', 'demo'));
  withCommonOptions(command, ['farmer demo', 'farmer demo --minutes 2 --out /tmp/demo']).action(
    (options: DemoOptions) => runDemo(options),
  );
}

async function runDemo(options: DemoOptions): Promise<void> {
  const output = createOutput(options);
  const clock = new Clock(60 * options.minutes);
  await withFolderLock(options.out, async () => {
    for (const file of [samplesFile(options), weightsFile(options)]) await checkWritable(file);
    await withDevice(options, output, async (device) => {
      const [training, test] = [
        await loadSplit('mnist', 'train'),
        await loadSplit('mnist', 'test'),
      ];
      const histogram = fitHistogram(training);
      await demonstrate({ options, output, clock, device, training, test, histogram });
    });
  });
}

async function demonstrate(demo: Demo): Promise<void> {
  const { options, output, clock } = demo;
  const config = withStepCount(preset('demo'), options.steps ?? (await chooseSteps(demo)));
  const model = await train(demo, config);
  const samples = await writeSamples(demo, model);
  const weights = await writeWeights(demo, config, model);
  const evaluation = await score(demo, model);
  output.line(`samples     ${samples}: one row a digit`);
  output.line(`weights     ${weights}`);
  output.line(`time        ${formatDuration(clock.elapsed)}`);
  output.result({
    ...{ command: 'demo', steps: config.training.steps, samples, weights },
    ...evaluation,
    seconds: clock.elapsed,
  });
}

interface Demo {
  readonly options: DemoOptions;
  readonly output: Output;
  readonly clock: Clock;
  readonly device: Device;
  readonly training: ImageDataset;
  readonly test: ImageDataset;
  readonly histogram: PixelHistogram;
}

/** A trainer of a new model. */
function createTrainer({ training, histogram, options }: Demo, config: FarmerConfig): Trainer {
  const { seed } = options;
  const model = new Farmer(config.model, seed);
  return new Trainer(model, config.training, training, { histogram, seed });
}

/** The steps that fit the budget. The measured trainer is thrown away, so that a run depends on seed and steps alone. */
async function chooseSteps(demo: Demo): Promise<number> {
  const { device, clock, output, options } = demo;
  output.line('measuring how fast this device trains …');
  const trainer = createTrainer(demo, preset('demo'));
  const { secondsPerStep, firstStepAt } = await measureStep(
    trainer,
    device,
    60 * options.minutes * MEASURE,
    compilingLine(output),
  );
  trainer.dispose();
  trainer.model.dispose();
  const steps = stepsWithin(clock.left * TRAIN, secondsPerStep);
  output.line(`first step  after ${firstStepAt.toFixed(1)} s`);
  output.line(`one step    ${(1000 * secondsPerStep).toFixed(1)} ms: ${steps} steps fit`);
  return steps;
}

async function train(demo: Demo, config: FarmerConfig): Promise<Farmer> {
  const { device, output } = demo;
  const { steps, batch } = config.training;
  const trainer = createTrainer(demo, config);
  output.line(`parameters  ${trainer.model.parameterCount()}`);
  const progress = new Progress(output, { steps, batch });
  await runTraining({
    ...{ trainer, device, until: steps, logSteps: 20 },
    onMetrics: (metrics) => progress.metrics(metrics),
    afterStep: (step) => progress.step(step),
  });
  progress.end(steps);
  trainer.dispose();
  return trainer.model;
}

const samplesFile = ({ out }: DemoOptions) => join(out, 'samples.png');
const weightsFile = ({ out }: DemoOptions) => join(out, 'weights.safetensors');

async function writeSamples(demo: Demo, model: Farmer): Promise<string> {
  const { options, histogram, training } = demo;
  const path = samplesFile(options);
  const labels = labelsOfEveryClass(training.classes, SAMPLES_A_CLASS);
  const images = await drawSamples(model, histogram, { labels, seed: options.seed });
  await writeGrid(path, images, training, SAMPLES_A_CLASS);
  return path;
}

async function writeWeights(demo: Demo, config: FarmerConfig, model: Farmer): Promise<string> {
  const { options, training, histogram } = demo;
  const { classNames } = training;
  const path = weightsFile(options);
  const run = { data: 'mnist', seed: options.seed, config };
  const { steps: step } = config.training;
  const info = { run, step, fingerprint: fingerprint(training), classNames, histogram };
  await writeCheckpoint(path, info, await model.stateDict());
  return path;
}

/** Evaluates as many test images as the time left allows, drawn at random; 1,000 at least. */
async function score(demo: Demo, model: Farmer) {
  const { options, output, clock, test, histogram } = demo;
  const settings = { batch: SCORING_BATCH, seed: options.seed };
  const start = clock.elapsed;
  await evaluate(model, histogram, drawImages(test, SCORING_BATCH, 'test images'), settings);
  const perImage = (clock.elapsed - start) / SCORING_BATCH;
  const fit = Math.floor((0.9 * clock.left) / perImage / 1000) * 1000;
  const dataset = drawImages(test, Math.min(test.count, Math.max(1000, fit)), 'test images');
  const evaluation = await evaluate(model, histogram, dataset, {
    ...settings,
    onProgress: (done) => output.status(`scored ${done} of ${dataset.count} test images`),
  });
  const baseline = histogramBaseline(histogram, dataset);
  printEvaluation(output, evaluation, baseline, dataset.name);
  return { ...evaluation, histogram: baseline };
}
