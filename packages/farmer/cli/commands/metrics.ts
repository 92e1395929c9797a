import type { Command } from 'commander';
import type { Classifier } from '../../src/classifier.ts';
import { classifyImages } from '../../src/classifier-training.ts';
import { imageSize, type ImageDataset } from '../../src/data/image-dataset.ts';
import type { StudentFlow } from '../../src/student-flow.ts';
import { memorisation, nearestTrainingImages } from '../../src/metrics/memorisation.ts';
import { measureSamples, type Reference } from '../../src/metrics/sample-metrics.ts';
import { readClassifier } from '../classifier-file.ts';
import { withDevice } from '../device.ts';
import { checkFit, readReference } from '../classifier-reference.ts';
import { printMetrics } from '../metrics-report.ts';
import {
  resolveCheckpoint,
  studentOf,
  withModelOptions,
  withStudentOption,
  type ModelOptions,
  type StudentOption,
} from '../model-options.ts';
import { wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import { drawSamples } from '../sample-grid.ts';
import {
  samplingOptions,
  withSamplingOptions,
  type SamplingCommandOptions,
} from '../sampling-options.ts';
import { loadTrainedModel, loadTrainingImages } from '../trained-model.ts';
import { loadSplit, drawImages } from '../training-data.ts';
import { resolveClassifier } from '../weights.ts';

interface MetricsOptions
  extends CommonOptions, ModelOptions, StudentOption, SamplingCommandOptions {
  readonly classifier?: string;
  readonly samples: number;
  readonly reference: number;
}

export function addMetricsCommand(program: Command): void {
  const command = withSamplingOptions(
    withStudentOption(
      withModelOptions(
        program
          .command('metrics')
          .description(
            'Draw images of all classes and measure quality, coverage and memorisation, beside the same figures of test images.',
          ),
      ),
      'draw the same latents with it too, and measure both',
    )
      .option('--classifier <file>', "a classifier's file (default: the one for the model's data)")
      .option('--samples <n>', 'images to draw, as many of each class', wholeNumber(10), 1000)
      .option(
        '--reference <n>',
        'training images to compare features with, at least as many as samples',
        wholeNumber(10),
        10_000,
      ),
  );
  withCommonOptions(command, [
    'farmer metrics --checkpoint tiny',
    'farmer metrics --run runs/tiny-mnist-0 --samples 5000 --scale 0.9 --json',
    'farmer metrics --checkpoint tiny --student runs/student-mnist-tiny-0/checkpoint.safetensors',
  ]).action((options: MetricsOptions) => runMetrics(options));
}

async function runMetrics(options: MetricsOptions): Promise<void> {
  const { samples, seed } = options;
  const output = createOutput(options);
  const path = resolveCheckpoint(options);
  const sampling = samplingOptions(options);
  await withDevice(options, output, async () => {
    const { model, checkpoint } = await loadTrainedModel(path);
    const trainingData = await loadTrainingImages(checkpoint);
    const { data, config } = checkpoint.run;
    const test = drawImages(
      await loadSplit(data, 'test', config.model.image),
      samples,
      '--samples',
    );
    const classifierPath = resolveClassifier(options.classifier, data);
    const { classifier, info } = await readClassifier(classifierPath);
    checkFit(classifier, trainingData, classifierPath);
    output.line(`checkpoint  ${path}, step ${checkpoint.step}, trained on ${data}`);
    output.line(
      `classifier  ${classifierPath}, accuracy ${(100 * info.testAccuracy).toFixed(2)} % on ${info.data}`,
    );
    const start = performance.now();
    const reference = await readReference(classifier, trainingData, options, output);
    const labels = Array.from({ length: samples }, (_, i) => i % trainingData.classes);
    const draw = (student?: StudentFlow) =>
      drawSamples(model, checkpoint.histogram, {
        ...{ labels, seed, student, options: sampling },
        onProgress: (done) => output.status(`drew ${done} of ${samples}`),
      });
    const student = await studentOf(options, model, checkpoint);
    const images = await draw();
    const studentImages = student && (await draw(student));
    const measure = (set: Uint8Array, classes: ArrayLike<number>) =>
      measureSet(classifier, set, classes, reference, trainingData);
    output.status('measuring samples');
    const generated = await measure(images, labels);
    const byStudent = studentImages && (await measure(studentImages, labels));
    output.status('measuring test images');
    const floor = await measure(test.images, test.labels);
    const near = memorisation(generated.distances, floor.distances);
    printMetrics(output, {
      ...{ generated: generated.metrics, test: floor.metrics, near, samples },
      ...(byStudent ? { student: byStudent.metrics } : {}),
    });
    output.result({
      ...{ command: 'metrics', checkpoint: path, step: checkpoint.step },
      ...{ classifier: classifierPath, images: samples, samples: generated.metrics },
      ...{ test: floor.metrics, memorisation: near, student: byStudent?.metrics },
      seconds: (performance.now() - start) / 1000,
    });
  });
}

async function measureSet(
  classifier: Classifier,
  images: Uint8Array,
  labels: ArrayLike<number>,
  reference: Reference,
  training: ImageDataset,
) {
  const classified = await classifyImages(classifier, images);
  const nearest = await nearestTrainingImages(images, training.images, imageSize(training));
  return {
    metrics: measureSamples(classified, labels, reference),
    distances: nearest.map(({ distance }) => distance),
  };
}
